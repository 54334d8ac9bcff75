// `mica completion`: a script that completes commands, their words and their options. It is made from the same
// declarations as --help, so it cannot know a word that the program does not.

import { type Command, InvalidArgumentError } from 'commander';
import type { Declare } from './commands.js';
import { addCommands, newProgram } from './program.js';

const SHELLS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export const declareCompletion: Declare = (command, act) => {
  command
    .argument('<shell>', `${Object.keys(SHELLS).join('|')}`, shellName)
    .addHelpText('after', '\nbash: source <(mica completion bash)\nfish: mica completion fish | source')
    .action(
      act(async (context, shell: keyof typeof SHELLS) => {
        const program = newProgram();
        await addCommands(program, () => true, act);
        context.output.line(SHELLS[shell](places(program)));
      }),
    );
};

function shellName(word: string): keyof typeof SHELLS {
  if (word === 'bash' || word === 'zsh' || word === 'fish') return word;
  throw new InvalidArgumentError('It is one of bash, zsh, fish.');
}

/** A place in a sentence and the words that may follow there. */
interface Place {
  /** The commands typed so far: '', 'import', 'snapshot ls'. */
  readonly path: string;
  readonly words: readonly string[];
}

function places(command: Command, path = ''): Place[] {
  const options = command.options.flatMap((option) => (option.long === undefined ? [] : [option.long]));
  const names = command.commands.map((one) => one.name());
  const below = command.commands.flatMap((one) =>
    places(one, path === '' ? one.name() : `${path} ${one.name()}`),
  );
  return [{ path, words: [...names, ...options] }, ...below];
}

function bashScript(all: readonly Place[]): string {
  const nouns = new Set(all.filter(({ path }) => path.includes(' ')).map(({ path }) => path.split(' ')[0]));
  const cases = all.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`);
  return `_mica() {
  local word path='' words='' current="\${COMP_WORDS[COMP_CWORD]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) case "$path" in *' '*) ;; '') path="$word" ;; ${[...nouns].join('|')}) path="$path $word" ;; esac ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _mica mica`;
}

function zshScript(all: readonly Place[]): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(all)}`;
}

function fishScript(all: readonly Place[]): string {
  const lines = all.flatMap(({ path, words }) =>
    words.map((word) => {
      const condition =
        path === ''
          ? '__fish_use_subcommand'
          : path
              .split(' ')
              .map((one) => `__fish_seen_subcommand_from ${one}`)
              .join('; and ');
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`;
      return `complete -c mica -n '${condition}' ${what}`;
    }),
  );
  return lines.join('\n');
}
