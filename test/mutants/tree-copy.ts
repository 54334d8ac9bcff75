// A copy of the tree in which mutants live, one at a time: patched, compiled (the changed files alone, types and
// all), tried by one test, and put back. Whatever a mutant leaves mounted or running is of the copy and goes with it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { ensureExt4, leaveExt4 } from '../ext4.js';
import { top } from '../program.js';
import { clearBelow } from './left-below.js';
import { applyPatch, type Mutant } from './mutant.js';

const COPIED = ['bin', 'dist', 'fs', 'native-fallback', 'src', 'test', 'package.json', 'tsconfig.json'];
/** Longer than the limit of a test, which is to be the one that reports a mutant that hangs. */
const LIMIT_MS = 200_000;

/** How the named tests went: by their names as vitest joins them. */
export interface Outcome {
  readonly passed: ReadonlySet<string>;
  readonly failed: ReadonlySet<string>;
  /** What vitest printed, without colours. */
  readonly report: string;
}

export class TreeCopy {
  readonly #base = mkdtempSync(join(tmpdir(), 'mica-mutants-'));
  readonly #versions = new Map<string, number>();
  readonly #compiler: ts.LanguageService;

  constructor() {
    ensureExt4(this.#base);
    // Ordinary users run tests here, too.
    chmodSync(this.#base, 0o755);
    mkdirSync(this.#at('tmp'));
    chmodSync(this.#at('tmp'), 0o1777);
    for (const name of [...COPIED, 'vitest.config.ts']) {
      cpSync(join(top, name), this.#at(name), { recursive: true, preserveTimestamps: true });
    }
    // Mutants are put among the modules that a bundle was made of.
    rmSync(this.#at('dist/bundle'), { recursive: true, force: true });
    symlinkSync(join(top, 'node_modules'), this.#at('node_modules'));
    this.#compiler = this.#startCompiler();
  }

  /** Runs tests of this tree by name, as it is now. */
  async run(tests: readonly { readonly test: string; readonly name: string }[]): Promise<Outcome> {
    const report = this.#at('report.json');
    rmSync(report, { force: true });
    const names = [...new Set(tests.map(({ name }) => name.replaceAll(' > ', ' ')))];
    const files = [...new Set(tests.map(({ test }) => test))];
    const pattern = `^(${names.map(literal).join('|')})$`;
    const words = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const output = await this.#vitest([...words, '-t', pattern, ...files]);
    return outcomeOf(report, output);
  }

  /** Applies a patch and compiles; the returned function puts everything back. Fails with a message for people. */
  mutate(mutant: Mutant): () => void {
    const { id, files } = mutant;
    const kept = files.flatMap((file) => [file, compiled(file)]).filter((file) => existsSync(this.#at(file)));
    const originals = new Map(kept.map((file) => [file, readFileSync(this.#at(file))]));
    const putBack = () => {
      for (const [file, bytes] of originals) writeFileSync(this.#at(file), bytes);
      this.#changed(files);
    };
    try {
      applyPatch(mutant, this.#base);
      this.#changed(files);
      this.#compile(id, files);
    } catch (error) {
      putBack();
      throw error;
    }
    return putBack;
  }

  remove(): void {
    clearBelow(this.#base);
    leaveExt4(this.#base);
    rmSync(this.#base, { recursive: true, force: true });
  }

  #at(...names: string[]): string {
    return join(this.#base, ...names);
  }

  #startCompiler(): ts.LanguageService {
    const config = ts.readConfigFile(this.#at('tsconfig.json'), ts.sys.readFile);
    const { options, fileNames } = ts.parseJsonConfigFileContent(config.config, ts.sys, this.#base);
    return ts.createLanguageService({
      getCompilationSettings: () => options,
      getScriptFileNames: () => fileNames,
      getScriptVersion: (file) => String(this.#versions.get(file) ?? 0),
      getScriptSnapshot: (file) => {
        const text = ts.sys.readFile(file);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => this.#base,
      getDefaultLibFileName: ts.getDefaultLibFilePath,
      fileExists: ts.sys.fileExists,
      readFile: ts.sys.readFile,
      readDirectory: ts.sys.readDirectory,
      directoryExists: ts.sys.directoryExists,
      getDirectories: ts.sys.getDirectories,
    });
  }

  #changed(files: readonly string[]): void {
    for (const file of files) {
      const path = this.#at(file);
      this.#versions.set(path, (this.#versions.get(path) ?? 0) + 1);
    }
  }

  #compile(id: string, files: readonly string[]): void {
    for (const file of files) {
      const path = this.#at(file);
      const faults = [
        ...this.#compiler.getSyntacticDiagnostics(path),
        ...this.#compiler.getSemanticDiagnostics(path),
      ].map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
      if (faults.length > 0) {
        throw new Error(`${id}.patch does not compile, so it breaks more than it says: ${faults.join('; ')}`);
      }
      for (const { name, text } of this.#compiler.getEmitOutput(path).outputFiles) {
        if (name.endsWith('.js')) writeFileSync(name, text);
      }
    }
  }

  async #vitest(words: readonly string[]): Promise<string> {
    const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', ...words], {
      cwd: this.#base,
      env: this.#environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const limit = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), LIMIT_MS);
    await once(child, 'close');
    clearTimeout(limit);
    clearBelow(this.#base);
    return output;
  }

  #environment(): NodeJS.ProcessEnv {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST'));
    return { ...Object.fromEntries(own), TMPDIR: this.#at('tmp'), NO_COLOR: '1' };
  }
}

function compiled(file: string): string {
  return join('dist', file.replace(/\.ts$/, '.js'));
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

interface VitestReport {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

/** A test whose file or preparation failed is neither passed nor failed. */
function outcomeOf(path: string, report: string): Outcome {
  const passed = new Set<string>();
  const failed = new Set<string>();
  if (existsSync(path)) {
    const { testResults } = JSON.parse(readFileSync(path, 'utf8')) as VitestReport;
    for (const { ancestorTitles, title, status } of testResults.flatMap((file) => file.assertionResults)) {
      const name = [...ancestorTitles, title].join(' > ');
      if (status === 'passed') passed.add(name);
      if (status === 'failed') failed.add(name);
    }
  }
  return { passed, failed, report };
}
