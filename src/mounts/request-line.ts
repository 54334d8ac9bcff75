// What comes over a socket of ours as a request: one JSON object on a line, whose op says what else is in it. What is
// refused here has reached nobody who would act by half of it.

import { StoreError } from '../errors.js';

type TypeName = 'string' | 'number' | 'boolean' | 'object';

/** The arguments of an op, without those that are in them; one with a question mark may be missing. */
export type Arguments = Readonly<Record<string, TypeName | `${TypeName}?`>>;

/** The request of a line. Fails with invalid-argument, as `what`, for one that is not among `ops` or has not its arguments. */
export function requestOf<R extends { readonly op: string }>(
  line: string,
  what: string,
  ops: Readonly<Record<R['op'], Arguments>>,
): R {
  const request = parsed(line, what);
  const known = new Map<unknown, Arguments>(Object.entries<Arguments>(ops)).get(request['op']);
  if (known === undefined) throw new StoreError('invalid-argument', what, 'its op is not known');
  for (const [name, type] of Object.entries(known)) {
    if (!isOfType(request[name], type))
      throw new StoreError('invalid-argument', what, `its ${name} is not of type ${type.replace('?', '')}`);
  }
  return request as unknown as R;
}

function parsed(line: string, what: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(line));
  } catch (error) {
    throw new StoreError('invalid-argument', what, 'it is not JSON', { cause: error });
  }
}

function isOfType(value: unknown, type: string): boolean {
  if (value === undefined) return type.endsWith('?');
  return value !== null && typeof value === type.replace('?', '');
}
