// Starts a part of the program. Its modules in dist/ are a hundred and more, which Node finds, reads, links and compiles
// one by one; its bundle is one file with V8's compiled form beside it (bundle.mjs makes both). A bundle that is
// missing, or older than what was compiled last, is passed over, so that whoever compiles alone runs what he compiled.
const { readFileSync, statSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

const DIST = join(__dirname, '../dist');

/** What the part exports: of its bundle, or of its module, a path below dist. */
exports.start = async (part, module) => {
  const path = bundlePath(part);
  return isFresh(path) ? run(path) : import(`../dist/${module}`);
};

const bundlePath = (part) => join(DIST, 'bundle', `${part}.cjs`);
exports.bundlePath = bundlePath;

/**
 * A bundle, compiled now unless `cachedData` is of this Node and its V8's options. V8 holds it against the length of the
 * source alone, so that the two files come and go together. The source is ASCII, and its first line stays the first.
 */
function compile(path, cachedData) {
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(path, 'latin1')}\n})`;
  return new Script(source, { filename: path, cachedData });
}
exports.compile = compile;

/** Where the compiled form of a bundle lies. */
const compiledPath = (path) => `${path}.compiled`;
exports.compiledPath = compiledPath;

function run(path) {
  const module = { exports: {} };
  const script = compile(path, readFileSync(compiledPath(path)));
  script.runInThisContext()(module.exports, createRequire(path), module, path, dirname(path));
  return module.exports;
}

/** Each compilation that changed anything leaves its notes. */
function isFresh(path) {
  const bundled = statSync(compiledPath(path), { throwIfNoEntry: false });
  const compiled = statSync(join(DIST, '.tsbuildinfo'), { throwIfNoEntry: false });
  return bundled !== undefined && (compiled === undefined || bundled.mtimeMs >= compiled.mtimeMs);
}
exports.isFresh = isFresh;
