// A container's row as JSON and back: its opaque values are base64, everything else is what it is.

import type { ContainerRow, OpaqueValue } from './rows.js';

export interface OpaqueJson {
  readonly typeUrl: string;
  /** base64 */
  readonly value: string;
}

export interface ContainerJson extends Omit<ContainerRow, 'runtime' | 'spec' | 'extensions'> {
  readonly runtime: { readonly name: string; readonly options?: OpaqueJson };
  readonly spec: OpaqueJson;
  readonly extensions: Readonly<Record<string, OpaqueJson>>;
}

export function containerJson(row: ContainerRow): ContainerJson {
  return opaqueMapped(
    row,
    ({ typeUrl, value }: OpaqueValue): OpaqueJson => ({
      typeUrl,
      value: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'),
    }),
  );
}

export function containerOfJson(json: ContainerJson): ContainerRow {
  return opaqueMapped(
    json,
    ({ typeUrl, value }: OpaqueJson): OpaqueValue => ({ typeUrl, value: Buffer.from(value, 'base64') }),
  );
}

interface WithOpaque<Value> {
  readonly runtime: { readonly name: string; readonly options?: Value };
  readonly spec: Value;
  readonly extensions: Readonly<Record<string, Value>>;
}

function opaqueMapped<From, To, Row extends WithOpaque<From>>(
  row: Row,
  change: (value: From) => To,
): Omit<Row, keyof WithOpaque<From>> & WithOpaque<To> {
  const { name, options } = row.runtime;
  const extensions = Object.entries(row.extensions).map(([key, value]) => [key, change(value)] as const);
  return {
    ...row,
    runtime: { name, ...(options === undefined ? {} : { options: change(options) }) },
    spec: change(row.spec),
    extensions: Object.fromEntries(extensions),
  };
}
