/** What differs between two lists of lines: `+` for lines that should not be there, `-` for those that are missing. */
export function difference(is: unknown, wanted: unknown): string {
  if (!Array.isArray(is) || !Array.isArray(wanted)) return `${is}, not ${wanted}`;
  const only = (one: unknown[], other: unknown[], sign: string) =>
    one.filter((line) => !other.includes(line)).map((line) => `\n  ${sign} ${line}`);
  return [...only(is, wanted, '+'), ...only(wanted, is, '-')].join('');
}
