// The words of the program: global options, and the command that was typed, declared by its own file. Every other
// command is a name and a summary. commander's own complaints come out as the same one-line errors as ours.

import { Command, CommanderError } from 'commander';
import { StoreError } from '../errors.js';
import { type Act, COMMANDS } from './commands.js';
import { addGlobalOptions } from './settings.js';

/** The program with its global options and no command yet. */
export function newProgram(): Command {
  const program = new Command('mica');
  program
    .description('a union filesystem in userspace, with a store of container images underneath')
    .usage('[options] <command> …')
    .option('--version', 'print the version')
    .helpOption('-h, --help', 'what this command takes')
    .helpCommand('help [command]', 'what a command takes')
    .configureOutput({ writeErr: () => undefined })
    .exitOverride()
    .showSuggestionAfterError();
  addGlobalOptions(program);
  return program;
}

/** Adds every command by name and summary, and those that `typed` names with all their words. */
export async function addCommands(
  program: Command,
  typed: (name: string) => boolean,
  act: Act,
): Promise<void> {
  for (const entry of COMMANDS) {
    program.commandsGroup(`${entry.group}:`);
    const command = program.command(entry.name).summary(entry.summary).description(entry.summary);
    if (typed(entry.name)) (await entry.load())(command, act);
  }
}

/** The command in `argv`, and for `help <command>` that one too. */
export function typedCommands(program: Command, argv: readonly string[]): readonly string[] {
  const { operands } = program.parseOptions([...argv]);
  return operands.slice(0, operands[0] === 'help' ? 2 : 1);
}

/** commander's complaint as an error of ours; undefined if it ended on purpose (help was printed). */
export function wordsError(
  error: CommanderError,
  program: Command,
  argv: readonly string[],
): StoreError | undefined {
  if (error.exitCode === 0) return undefined;
  const path = pathOf(program, argv);
  if (error.code === 'commander.help') {
    return new StoreError('invalid-argument', `cannot run ${path}`, 'a command is missing', {
      hint: `${path} --help`,
    });
  }
  const [first = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const similar = suggestion?.replace(/^\(|\)$/g, '');
  return new StoreError('invalid-argument', `cannot run ${path}`, first, {
    hint: similar ?? `${path} --help`,
  });
}

/** `mica content ls`: the program, the command that was typed, and the one below it. */
function pathOf(program: Command, argv: readonly string[]): string {
  const names = ['mica'];
  let operands = operandsOf(program, argv);
  for (let within = program; ; ) {
    const next = within.commands.find((one) => one.name() === operands[0]);
    if (next === undefined) return names.join(' ');
    names.push(next.name());
    operands = operands.slice(1);
    within = next;
  }
}

/** None where an option lacks its value: what follows cannot be told from it. */
function operandsOf(program: Command, argv: readonly string[]): string[] {
  try {
    return program.parseOptions([...argv]).operands;
  } catch (error) {
    if (error instanceof CommanderError) return [];
    throw error;
  }
}
