// The server of `mica lab`: the page and the questions that it asks, for the one who has the address. It listens on the
// loopback interface alone, answers whom the gate lets in (gate.ts), and its page may load nothing from anywhere else.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { StoreError } from '../../errors.js';
import { wrongWithSetup } from '../../web/lesson-check.js';
import type { Lab, Setup, Told } from '../../web/model.js';
import { ShellError } from '../../web/shell.js';
import { placeAsked, Refusal, tabOf } from './gate.js';
import { type Tabs, TakenError } from './tabs.js';

/** Beyond this nobody asks for anything sensible. */
const MOST_BYTES = 8 << 20;

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

const FILES: ReadonlyMap<string, string> = new Map([
  ['index.html', 'text/html; charset=utf-8'],
  ['lab.js', 'text/javascript; charset=utf-8'],
  ['lab.css', 'text/css; charset=utf-8'],
]);

export interface LabServer {
  /** With the token: whoever has it may do what the page does. */
  readonly url: string;
  close(): Promise<void>;
}

export interface LabServerOptions {
  /** The folder of the page. */
  readonly page: string;
  /** 0: any. */
  readonly port: number;
  /** What the address has in it that nobody can guess; `newToken()`. */
  readonly token: string;
  /** What starts this lab again, for whoever finds it gone. */
  readonly command: string;
  /** Absent: the page plays in its own memory. */
  readonly tabs?: Tabs;
  /** A lesson that the page begins with. */
  readonly lesson?: string;
}

/** Listens, and answers until it is closed. failed-precondition, or failed, where it cannot listen. */
export async function serveLab(options: LabServerOptions): Promise<LabServer> {
  const session = randomBytes(9).toString('base64url');
  const server = createServer((request, response) => {
    void answer(request, response, session, options).catch((error: unknown) => {
      const status = error instanceof Refusal ? error.status : 500;
      const text = error instanceof Error ? error.message : String(error);
      send(response, status, 'text/plain; charset=utf-8', text);
    });
  });
  const port = await listening(server, options.port);
  return {
    url: `http://127.0.0.1:${port}/${options.token}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  session: string,
  options: LabServerOptions,
): Promise<void> {
  const what = placeAsked(request, options.token);
  if (what === 'api/events') return events(request, response, session, options);
  if (what.startsWith('api/')) return ask(request, response, what.slice(4), options.tabs);
  if (request.method !== 'GET' && request.method !== 'HEAD') throw new Refusal(405, 'only GET');
  if (what === 'lesson.json' && options.lesson !== undefined)
    return send(response, 200, 'application/json', options.lesson);
  const name = what === '' ? 'index.html' : what;
  const type = FILES.get(name);
  if (type === undefined) throw new Refusal(404, 'no such file');
  const file = readFileSync(join(options.page, name), 'utf8');
  send(response, 200, type, name === 'index.html' ? withFacts(file, options) : file);
}

/** What the page must know before it asks anything. */
function withFacts(html: string, { tabs, lesson }: LabServerOptions): string {
  const facts = `data-engine="${tabs?.engine ?? 'memory'}"${lesson === undefined ? '' : ' data-lesson="lesson.json"'}`;
  return html.replace('data-engine="memory"', facts);
}

async function ask(
  request: IncomingMessage,
  response: ServerResponse,
  what: string,
  tabs: Tabs | undefined,
): Promise<void> {
  if (request.method !== 'POST') throw new Refusal(405, 'only POST');
  if (tabs === undefined) throw new Refusal(404, 'this page plays by itself');
  if (request.headers['content-type'] !== 'application/json') throw new Refusal(415, 'only JSON');
  const question = questionIn(await body(request));
  let reply: object;
  let status = 200;
  try {
    reply = await asked(tabs.labOf(tabOf(request)), what, question);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    if (error instanceof TakenError) status = 409;
    reply = { error: error instanceof Error ? error.message : String(error) };
  }
  send(response, status, 'application/json', JSON.stringify(reply));
}

function questionIn(text: string): Record<string, unknown> {
  let question: unknown;
  try {
    question = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refusal(400, 'it is not JSON');
    throw error;
  }
  if (typeof question !== 'object' || question === null) throw new Refusal(400, 'it is no object');
  return question as Record<string, unknown>;
}

async function asked(lab: Lab, what: string, question: Record<string, unknown>): Promise<object> {
  const text = (key: string): string => {
    const value = question[key];
    if (typeof value !== 'string') throw new Refusal(400, `${key} is a text`);
    return value;
  };
  switch (what) {
    case 'load':
      return lab.load(setupIn(question));
    case 'state':
      return lab.state(text('focus'));
    case 'run':
      return lab.run(text('line'));
    case 'explain':
      return lab.explain(text('path'));
    default:
      throw new Refusal(404, 'no such question');
  }
}

/** ShellError for what is none; the page shows why. */
function setupIn(question: Record<string, unknown>): Setup {
  const wrong = wrongWithSetup(question);
  if (wrong !== '') throw new ShellError(`cannot begin so: ${wrong}`);
  return question as unknown as Setup;
}

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MOST_BYTES) throw new Refusal(413, 'too long');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString();
}

/** What happens, a line of JSON each, as long as there is anything to tell. */
async function events(
  request: IncomingMessage,
  response: ServerResponse,
  session: string,
  { tabs, command }: LabServerOptions,
): Promise<void> {
  if (request.method !== 'GET') throw new Refusal(405, 'only GET');
  if (tabs === undefined) throw new Refusal(404, 'nothing happens by itself here');
  const tab = tabOf(request);
  // Another page cannot send it unasked.
  if (tab === '') throw new Refusal(400, 'a tab has a name');
  response.writeHead(200, { ...HEADERS, 'content-type': 'application/x-ndjson' });
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const tell = (told: Told): void => void response.write(`${JSON.stringify(told)}\n`);
  await tabs.listen(tab, {
    greet: ({ turn, tookOver }) => tell({ kind: 'hello', lab: `${session}-${turn}`, command, tookOver }),
    tell,
    signal: gone.signal,
  });
  response.end();
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  if (response.headersSent) {
    response.end();
    return;
  }
  response.writeHead(status, { ...HEADERS, 'content-type': type });
  response.end(text);
}

function listening(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(notListening(error, port)));
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

function notListening(error: NodeJS.ErrnoException, port: number): StoreError {
  const what = `cannot listen on 127.0.0.1:${port}`;
  const hint = 'give another --port, or none for any that is free';
  if (error.code === 'EADDRINUSE')
    return new StoreError('failed-precondition', what, 'another program listens there', {
      cause: error,
      hint,
    });
  const why = error.code === 'EACCES' ? 'ports below 1024 are not for this user' : error.message;
  return new StoreError('failed', what, why, { cause: error, hint });
}
