// `mica ps` and `mica rm`: what `mica run` started, running or ended, and its end.

import type { ContainerRow } from '../metadata/rows.js';
import type { ContainerExit } from '../run/run.js';
import type { RunningNote } from '../run/running.js';
import type { Store } from '../store.js';
import type { Declare } from './commands.js';
import { agoText } from './output.js';
import { addGlobalOptions } from './settings.js';

interface Listed {
  readonly row: ContainerRow;
  readonly note: RunningNote | undefined;
  readonly exit: ContainerExit | undefined;
  readonly command: readonly string[];
}

export const declarePs: Declare = (command, act) => {
  // So that `-aq` is understood.
  addGlobalOptions(command);
  command.option('-a, --all', 'those that have ended, too').action(
    act(async (context, words: { readonly all?: boolean }) => {
      const store = await context.store();
      const all = await listed(store);
      const shown = all.filter(({ note }) => words.all === true || note !== undefined);
      const { output } = context;
      if (output.json) return output.document(shown.map(containerJson));
      if (output.quiet) {
        for (const { row } of shown) output.line(row.id);
        return;
      }
      output.table(
        ['ID', 'IMAGE', 'COMMAND', 'CREATED', 'STATUS', 'PID'],
        shown.map((one) => [
          one.row.id,
          one.row.image,
          commandText(one.command),
          agoText(one.row.created),
          statusText(one),
          one.note === undefined ? '' : String(one.note.init.pid),
        ]),
      );
    }),
  );
};

export const declareRm: Declare = (command, act) => {
  command
    .argument('<containers...>', 'ids')
    .option('-f, --force', 'kill those that run')
    .action(
      act(async (context, ids: readonly string[], words: { readonly force?: boolean }) => {
        const { removeContainer } = await import('../run/remove.js');
        const store = await context.store();
        for (const id of ids) {
          await removeContainer(store, id, words.force === true);
          if (!context.output.json) context.output.line(id);
        }
        if (context.output.json) context.output.document(ids.map((id) => ({ id })));
      }),
    );
};

async function listed(store: Store): Promise<readonly Listed[]> {
  const { exitOf, RUNTIME } = await import('../run/run.js');
  const { argsIn } = await import('../run/container-process.js');
  const { RunningContainers } = await import('../run/running.js');
  const running = new RunningContainers(store.state);
  const ours = store.containers.list().filter(({ runtime }) => runtime.name === RUNTIME);
  return ours.map((row) => ({
    row,
    note: running.get({ root: store.folders.root, namespace: store.namespace, id: row.id }),
    exit: exitOf(row),
    command: argsIn(row.spec),
  }));
}

/** The shape of a container in JSON. */
function containerJson({ row, note, exit, command }: Listed): object {
  const { id, image, snapshotKey, created } = row;
  return {
    id,
    image,
    command,
    key: snapshotKey,
    created,
    state: stateOf({ note, exit }),
    ...(note === undefined ? {} : { pid: note.init.pid }),
    ...(exit === undefined ? {} : { code: exit.code, ended: exit.at }),
  };
}

/** `dead`: killed together with what waited for it, so that nobody knows its code. */
function stateOf({ note, exit }: Pick<Listed, 'note' | 'exit'>): 'running' | 'exited' | 'dead' {
  if (note !== undefined) return 'running';
  return exit === undefined ? 'dead' : 'exited';
}

function statusText(one: Listed): string {
  const state = stateOf(one);
  return one.exit === undefined ? state : `${state} (${one.exit.code}) ${agoText(one.exit.at)}`;
}

const COMMAND_MAX = 40;

function commandText(args: readonly string[]): string {
  const text = args.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
  return text.length > COMMAND_MAX ? `${text.slice(0, COMMAND_MAX - 1)}…` : text;
}
