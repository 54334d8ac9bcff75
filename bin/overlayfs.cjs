// mica-overlayfs is a shell script that starts this.
require('./start.cjs')
  .start('mica-overlayfs', 'src/mount-program/main.js')
  .then(
    (program) => program.main(process.argv.slice(2)),
    (error) => {
      if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
      process.stderr.write(
        `mica-overlayfs: this checkout is not built or not installed: ${error.message.split('\n')[0]}\nhint: npm run build\n`,
      );
      process.exitCode = 6;
    },
  );
