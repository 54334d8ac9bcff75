require('./start.cjs').start('init', 'src/run/init.js');
