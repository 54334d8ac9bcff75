// An explanation in words: the same in the page and in `mica explain`, which only lay them out. And the names by which
// people call layers, where those have others for the program.

import type { ExplainedData, Explanation, LayerFinding, LayerNamer } from '../../fs/memory.js';
import { countText, sizeText } from './amounts.js';
import type { MergedEntry } from './model.js';

export const FINDINGS: Readonly<Record<LayerFinding, string>> = {
  file: 'file',
  metadata: 'attributes of a file, whose data is below',
  part: 'a file, of whose data only what was written; the rest is below',
  indexed: 'a copy of the file under another name, joined by the index of hard links',
  folder: 'folder',
  opaque: 'opaque folder: nothing below is seen in it',
  whiteout: 'whiteout: the name ends here',
  redirect: 'redirect: its lower part lies elsewhere',
  nothing: '-',
  'not-looked': 'not looked at',
};

/** What the path is: `file`, `file, 2 names`, `does not exist`. */
export function kindText({ kind, shows, result }: Explanation): string {
  if (result === 'absent') return 'does not exist';
  const names = shows?.nlink ?? 1;
  return names > 1 ? `${kind}, ${names} names` : (kind ?? '');
}

/** Which layers have a part of a folder on the way, and what ends the search there: `folder of box (opaque)`. */
export function folderText(
  { layers }: Explanation['parents'][number],
  nameOf: LayerNamer,
  quoted: (redirect: string) => string = String,
): string {
  const parts = layers.filter(({ finding }) => finding !== 'nothing' && finding !== 'not-looked');
  const texts = parts.map(({ id, finding, redirect }) => {
    if (finding === 'folder') return nameOf(id);
    return `${nameOf(id)} (${finding}${redirect === undefined ? '' : ` to ${quoted(redirect)}`})`;
  });
  return `folder of ${texts.join(', ')}`;
}

/** Which layer wins, and how, as the picture has it. */
export function winnerOf({ result, layers, data }: Explanation): Pick<MergedEntry, 'layer' | 'indexed'> {
  if (result === 'absent') return { layer: '' };
  if (layers.every(({ finding }) => finding !== 'indexed')) return { layer: result.layer };
  return { layer: result.layer, indexed: data === undefined ? 'whole' : 'data-below' };
}

export interface ChangeText {
  readonly what: 'write' | 'delete' | 'rename' | 'chmod';
  /** `copies 4.0 KiB`; of a write `copies at most 4.0 KiB`. */
  readonly copies: string;
  readonly does: string;
}

/** What changes would do and cost; empty where nothing can be changed. */
export function changeTexts(explanation: Explanation): readonly ChangeText[] {
  const { onWrite, onDelete, onDeleteCopiesBytes = 0, onRename, onChmod } = explanation;
  const all = [
    { what: 'write', change: onWrite },
    {
      what: 'delete',
      change: onDelete === undefined ? undefined : { copiesBytes: onDeleteCopiesBytes, does: onDelete },
    },
    { what: 'rename', change: onRename },
    { what: 'chmod', change: onChmod },
  ] as const;
  return all.flatMap(({ what, change }) => {
    if (change === undefined) return [];
    const { copiesBytes, does } = change;
    const copies = what === 'write' ? writeCopiesText(copiesBytes, explanation) : copiesText(copiesBytes);
    return [{ what, copies, does }];
  });
}

/** How much a write copies depends on what it writes; of a file that is copied up in part, on how many blocks that lies in. */
function writeCopiesText(most: number, { shows }: Explanation): string {
  if (most === 0) return copiesText(0);
  return `${most < (shows?.size ?? 0) ? 'of a byte ' : ''}copies at most ${sizeText(most)}`;
}

/** `copies no data`, `copies 4.0 KiB`. */
function copiesText(bytes: number): string {
  return `copies ${bytes === 0 ? 'no data' : sizeText(bytes)}`;
}

/** What a step copied up, which is not what a program like cp copies, and what it left where it was. */
export function stepText(copied: number, saved: number): string {
  const first =
    copied === 0 ? 'The last step copied up no data' : `The last step copied up ${sizeText(copied)}`;
  return saved === 0 ? `${first}.` : `${first}; ${sizeText(saved)} need not be copied.`;
}

/** Where the bytes of a file come from whose data is not all in `top`, the layer that wins. Layers are called by `nameOf`. */
export function dataText(
  { ownBytes, ownRanges, ranges }: ExplainedData,
  size: number,
  top: string,
  nameOf: LayerNamer,
): string {
  const below = ranges.find(({ layer }) => layer !== top)?.layer;
  const others = below === undefined ? '' : ` come from ${nameOf(below)}`;
  if (ownBytes === 0) return `None of its ${sizeText(size)} are in ${nameOf(top)}: all${others}.`;
  const own = `${sizeText(ownBytes)} of its ${sizeText(size)} are in ${nameOf(top)}, in ${ownRanges === 1 ? 'one range' : `${countText(ownRanges)} ranges`}`;
  return below === undefined ? `${own}.` : `${own}; the other ${sizeText(size - ownBytes)}${others}.`;
}

export interface RangeText {
  /** The first and the last byte. */
  readonly bytes: string;
  readonly size: string;
  readonly layer: string;
}

/** The ranges in order, and how many there are beyond them. */
export function rangeTexts(
  { ranges, moreRanges = 0 }: ExplainedData,
  most = ranges.length,
): {
  readonly ranges: readonly RangeText[];
  readonly more: number;
} {
  const shown = ranges.slice(0, most).map(({ from, to, layer }) => ({
    bytes: `bytes ${countText(from)} to ${countText(to - 1)}`,
    size: sizeText(to - from),
    layer,
  }));
  return { ranges: shown, more: ranges.length - shown.length + moreRanges };
}
