// The bytes of a blob over a network that breaks: each break is followed by a request for the rest (Range), and a
// server that sends everything again is read past what is known. Nothing here is verified; a digest over all bytes is.

import { StoreError } from '../errors.js';
import { isForeignLayerType } from '../images/media-types.js';
import type { Descriptor } from '../metadata/rows.js';
import { TransientError } from './failure.js';
import type { HttpResponse } from './http.js';
import type { Repository } from './repository.js';
import { Patience } from './retry.js';

/** Packets are put together to pieces that cost few writes. */
const PIECE = 512 * 1024;

/** The bytes from `offset` to `descriptor.size`. */
export async function* blobStream(
  from: Repository,
  descriptor: Descriptor,
  offset: number,
): AsyncGenerator<Uint8Array, void> {
  const { registry, what } = from;
  const { digest, size } = descriptor;
  const patience = new Patience(what, registry.trying());
  let at = offset;
  while (at < size) {
    try {
      const response = await open(from, descriptor, at);
      let skip = skipped(response, at, what, digest);
      for await (const piece of pieces(response, from)) {
        const fresh = piece.subarray(Math.min(skip, piece.length));
        skip -= piece.length - fresh.length;
        if (fresh.length === 0) continue;
        if (at + fresh.length > size) {
          response.drop();
          throw new StoreError(
            'corrupt',
            what,
            `${digest} has more than the ${size} bytes that its manifest says`,
          );
        }
        at += fresh.length;
        patience.refresh();
        yield fresh;
      }
      if (at < size)
        throw new TransientError(what, `${registry.host} sent only ${at} of ${size} bytes of ${digest}`);
    } catch (error) {
      await patience.after(error);
    }
  }
}

/** Layers that registries do not keep lie elsewhere (image-spec, descriptor.md, `urls`). */
async function open(from: Repository, descriptor: Descriptor, offset: number): Promise<HttpResponse> {
  const { urls = [], mediaType, digest } = descriptor;
  const [url] = isForeignLayerType(mediaType)
    ? urls.filter((one) => /^https?:/.test(one) && URL.canParse(one))
    : [];
  if (url === undefined) return from.openBlob(digest, offset);
  const headers = offset > 0 ? { Range: `bytes=${offset}-` } : undefined;
  return from.registry.fetchElsewhere(new URL(url), from.what, headers ?? {});
}

/** How many of the bytes that come are known. */
function skipped(response: HttpResponse, offset: number, what: string, digest: string): number {
  if (response.status === 200) return offset;
  const start = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1];
  if (response.status === 206 && start !== undefined && Number(start) <= offset)
    return offset - Number(start);
  response.drop();
  throw new StoreError('failed', what, `the registry does not give ${digest} from byte ${offset} on`);
}

async function* pieces(response: HttpResponse, from: Repository): AsyncGenerator<Uint8Array, void> {
  let gathered: Uint8Array[] = [];
  let bytes = 0;
  const take = (): Uint8Array => {
    const [first] = gathered;
    const piece = gathered.length === 1 && first !== undefined ? first : Buffer.concat(gathered, bytes);
    gathered = [];
    bytes = 0;
    return piece;
  };
  let failure: unknown;
  try {
    for await (const chunk of response.body) {
      gathered.push(chunk);
      bytes += chunk.length;
      if (bytes >= PIECE) yield take();
    }
  } catch (error) {
    // What came before the break counts.
    failure = from.registry.broken(from.what, error);
  }
  if (bytes > 0) yield take();
  if (failure !== undefined) throw failure;
}
