require('./start.cjs').start('server', 'fs/transport/dev-fuse-worker.js');
