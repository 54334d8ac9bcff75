require('./start.cjs').start('shared-host', 'src/mounts/shared-host.js');
