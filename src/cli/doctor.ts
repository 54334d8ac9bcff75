// `mica doctor`: what works on this machine for this user, what does not, why, and what to do. Every answer comes
// from trying: devices are opened, marks are set on a scratch file, the kernel's overlayfs is really mounted.

import type { Check } from './checks.js';
import { colors } from './colors.js';
import type { Declare } from './commands.js';
import { EXIT } from './failure.js';

export const declareDoctor: Declare = (command, act) => {
  command
    .addHelpText(
      'after',
      '\nMICA_WITHOUT=a,b switches features off by the names that stand after “feature”, MICA_WITHOUT=all every one.',
    )
    .action(
      act(async (context) => {
        const { runChecks } = await import('./checks.js');
        const checks = await runChecks(context.settings);
        const drivers = checks.filter(({ check }) => check.startsWith('driver '));
        if (!drivers.some(({ ok }) => ok)) context.exitCode = EXIT.unsupported;
        const { output } = context;
        if (output.json) return output.document(checks);
        for (const check of checks) {
          if (!output.quiet || !check.ok) output.line(checkText(check));
        }
        if (process.platform !== 'linux') return;
        const { sys } = await import('../../fs/index.js');
        output.note(
          `micafs stands for Linux ${sys.OLDEST_KERNEL} and later, with or without the features above`,
        );
      }),
    );
};

function checkText({ check, ok, why, fix }: Check): string {
  const mark = ok ? colors.green('ok') : colors.yellow('no');
  const reason = why === '' ? '' : `: ${why}`;
  return `${mark}  ${check}${reason}${fix === '' ? '' : `\n    ${fix}`}`;
}
