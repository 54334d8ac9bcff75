// Long form: all mutants, of which `npm test` tries one turn.

process.env['MICA_MUTANTS'] = 'all';
await import('../mutants/mutants.test.js');

export {};
