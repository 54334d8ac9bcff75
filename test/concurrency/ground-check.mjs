// `ground-check.mjs ROOT JOURNALS`: prints as JSON what in the tree contradicts the journals. A process of its own,
// because one that serves a mount, or waits for the server, must not touch it.

import fs from 'node:fs';
import { contradictions } from './ground.mjs';

const [root, journals] = process.argv.slice(2);
process.stdout.write(JSON.stringify(contradictions(root, JSON.parse(fs.readFileSync(journals, 'utf8')))));
