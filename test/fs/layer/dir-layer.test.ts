// The contract of layers on real folders: as root with `trusted.` marks, and with `user.` marks.

import { describe } from 'vitest';
import { mayUseTrustedXattrs } from '../../../fs/sys/index.js';
import { describeLayer } from '../../suites/layer.js';
import { makeRealLayer } from './real-folder.js';

const root = mayUseTrustedXattrs();

describe.runIf(root)('as root', () => {
  describeLayer('a real folder with trusted marks', () => makeRealLayer('trusted'), {
    uid: 1234,
    gid: 5678,
    trusted: true,
    persistent: true,
  });
});

describeLayer('a real folder with user marks', () => makeRealLayer('user'), {
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  trusted: root,
  persistent: true,
});
