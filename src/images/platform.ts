// Platforms in the words of OCI, which are Go's: GOOS, GOARCH and a CPU variant.

import { StoreError } from '../errors.js';
import type { Platform } from '../metadata/rows.js';

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  mips: 'mips',
  mipsel: 'mipsle',
};

/** Spellings that other tools write for the same thing (containerd `platforms`, database.go). */
const ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
  armhf: 'arm',
  armel: 'arm',
};

/** What containers on this machine are: always linux, also on macOS, where images run in a virtual machine. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch };
}

/** `os/architecture[/variant]` or an architecture alone; invalid-argument otherwise. */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  const [first = '', second, variant] = parts;
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part))) {
    throw new StoreError(
      'invalid-argument',
      `cannot use platform ${text}`,
      'a platform is os/architecture or os/architecture/variant, such as linux/arm64',
    );
  }
  const [os, architecture] = second === undefined ? ['linux', first] : [first, second];
  const known = ALIASES[architecture.toLowerCase()] ?? architecture.toLowerCase();
  return { os: os.toLowerCase(), architecture: known, ...(variant === undefined ? {} : { variant }) };
}

export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant === undefined || variant === ''
    ? `${os}/${architecture}`
    : `${os}/${architecture}/${variant}`;
}

/** True if an image of platform `has` is what `wanted` asks for; a variant counts only where both name one. */
export function matchesPlatform(has: Platform, wanted: Platform): boolean {
  if (has.os !== wanted.os || normal(has.architecture) !== wanted.architecture) return false;
  return !has.variant || !wanted.variant || has.variant === wanted.variant;
}

function normal(architecture: string): string {
  return ALIASES[architecture] ?? architecture;
}
