require('./start.cjs').start('host', 'src/mounts/host.js');
