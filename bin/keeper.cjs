require('./start.cjs').start('keeper', 'src/run/keeper.js');
