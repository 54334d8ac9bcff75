// Listing a real folder with its whiteouts told apart. Only what d_type leaves open costs a look at the entry.

import { Attr } from '../filesystem.js';
import { direntType, S_IFCHR, S_IFREG } from '../mode.js';
import type { ByteString } from '../name.js';
import { listFolder, statAt } from '../sys/index.js';
import { hasXattrWhiteouts, type LayerRules, readMarks } from './dir-marks.js';
import { LayerEntry, type LayerVisitor } from './layer.js';
import { WH_PREFIX } from './marks.js';

const DT_UNKNOWN = 0;
const DT_REG = S_IFREG >>> 12;
const DT_CHR = S_IFCHR >>> 12;

/** Visits the entries of a folder that is open for reading; the visitor may list other folders. */
export function listMarked(rules: LayerRules, fd: number, visit: LayerVisitor): void {
  if (rules.dialect === 'wh') listWh(rules, fd, visit);
  else listEntries(rules, fd, visit);
}

/** True if the folder holds nothing but whiteouts and other marks. */
export function holdsOnlyMarks(rules: LayerRules, fd: number): boolean {
  let found = false;
  listMarked(rules, fd, (_name, _type, _ino, whiteout) => {
    found ||= !whiteout;
  });
  return !found;
}

function listEntries(rules: LayerRules, fd: number, visit: LayerVisitor): void {
  let lookAtFiles: boolean | undefined = rules.overrides ? true : undefined;
  const entry = new LayerEntry(new Attr());
  listFolder(fd, (name, type, ino) => {
    // Devices may be whiteouts, files may be stand-ins.
    if (type === DT_REG) lookAtFiles ??= hasXattrWhiteouts(rules, fd);
    if (type !== DT_CHR && type !== DT_UNKNOWN && !(type === DT_REG && lookAtFiles === true)) {
      visit(name, type, ino, false);
    } else if (statAt(fd, name, entry.attr)) {
      readMarks(rules, fd, name, entry);
      visit(name, direntType(entry.attr.mode), ino, entry.whiteout);
    }
    return undefined;
  });
}

function listWh(rules: LayerRules, fd: number, visit: LayerVisitor): void {
  const attr = new Attr();
  listEntries(rules, fd, (name, type, ino, whiteout) => {
    if (!name.startsWith(WH_PREFIX)) {
      visit(name, type, ino, whiteout);
      return;
    }
    const hidden: ByteString = name.slice(WH_PREFIX.length);
    // `.wh..wh.x` and `.wh..opq` are AUFS's and fuse-overlayfs's own files; a name that exists beside its
    // whiteout is listed as itself.
    if (hidden === '' || hidden === '.opq' || hidden.startsWith(WH_PREFIX)) return;
    if (!statAt(fd, hidden, attr)) visit(hidden, DT_CHR, ino, true);
  });
}
