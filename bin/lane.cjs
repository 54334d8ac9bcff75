require('./start.cjs').start('lane', 'fs/transport/lane-worker.js');
