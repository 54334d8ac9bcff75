// grpc.reflection: which services there are, and the files that define them, so that tools without our .proto files
// (grpcurl, evans) can call them. Old tools ask for v1alpha, which is the same under another name.

import { status } from '@grpc/grpc-js';
import { descriptorSet } from '../gen/descriptors.js';
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService,
} from '../gen/grpc/reflection/v1/reflection.js';
import { ServerReflectionService as AlphaService } from '../gen/grpc/reflection/v1alpha/reflection.js';
import { type Service, service, serviceName } from './service.js';

/** Both versions of the service, which tell of `services` and of themselves. */
export function reflectionServices(services: readonly Service[], stopping: AbortSignal): readonly Service[] {
  const all: Service[] = [...services];
  const names = () => all.map(serviceName).sort();
  const handlers = {
    serverReflectionInfo: (requests: AsyncIterable<ServerReflectionRequest>) =>
      answers(requests, names, stopping),
  };
  const both = [service(ServerReflectionService, handlers), service(AlphaService, handlers)];
  all.push(...both);
  return both;
}

async function* answers(
  requests: AsyncIterable<ServerReflectionRequest>,
  names: () => readonly string[],
  stopping: AbortSignal,
): AsyncGenerator<ServerReflectionResponse> {
  for await (const request of until(stopping, requests)) {
    const messageResponse = await answer(request, names());
    yield { validHost: request.host, originalRequest: request, messageResponse };
  }
}

async function answer(
  { messageRequest: asked }: ServerReflectionRequest,
  names: readonly string[],
): Promise<ServerReflectionResponse['messageResponse']> {
  switch (asked?.$case) {
    case 'listServices':
      return { $case: 'listServicesResponse', value: { service: names.map((name) => ({ name })) } };
    case 'fileByFilename':
      return filesOr((await files()).byPath.get(asked.value), asked.value);
    case 'fileContainingSymbol':
      return filesOr((await files()).bySymbol.get(asked.value), asked.value);
    default:
      return {
        $case: 'errorResponse',
        value: { errorCode: status.UNIMPLEMENTED, errorMessage: 'proto3 has no extensions' },
      };
  }
}

function filesOr(found: Files | undefined, what: string): ServerReflectionResponse['messageResponse'] {
  if (found !== undefined)
    return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto: [...found] } };
  return {
    $case: 'errorResponse',
    value: { errorCode: status.NOT_FOUND, errorMessage: `cannot find ${what}: this server does not have it` },
  };
}

/** Serialized FileDescriptorProtos: a file, then all that it imports. */
type Files = readonly Buffer[];

interface Index {
  readonly byPath: ReadonlyMap<string, Files>;
  readonly bySymbol: ReadonlyMap<string, Files>;
}

let index: Promise<Index> | undefined;

/** Made when somebody asks for the first time, which most servers never see. */
function files(): Promise<Index> {
  index ??= readFiles();
  return index;
}

async function readFiles(): Promise<Index> {
  const { createFileRegistry, fromBinary, toBinary } = await import('@bufbuild/protobuf');
  const { FileDescriptorProtoSchema, FileDescriptorSetSchema } = await import('@bufbuild/protobuf/wkt');
  const registry = createFileRegistry(
    fromBinary(FileDescriptorSetSchema, Buffer.from(descriptorSet, 'base64')),
  );
  const byPath = new Map<string, Files>();
  const bySymbol = new Map<string, Files>();
  for (const file of registry.files) {
    const all = new Set([file]);
    for (const one of all) for (const dependency of one.dependencies) all.add(dependency);
    const bytes = [...all].map(({ proto }) => Buffer.from(toBinary(FileDescriptorProtoSchema, proto)));
    byPath.set(file.proto.name, bytes);
    for (const { typeName } of [...file.messages, ...file.enums, ...file.services])
      bySymbol.set(typeName, bytes);
    for (const { typeName, methods } of file.services) {
      for (const { name } of methods) bySymbol.set(`${typeName}.${name}`, bytes);
    }
  }
  return { byPath, bySymbol };
}

/** The items of `source` until `signal`: who keeps asking would otherwise keep the server from ending. */
async function* until<T>(signal: AbortSignal, source: AsyncIterable<T>): AsyncGenerator<T> {
  const items = source[Symbol.asyncIterator]();
  let end = (): void => undefined;
  const ended = new Promise<undefined>((resolve) => {
    end = () => resolve(undefined);
  });
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  try {
    for (;;) {
      const next = await Promise.race([items.next(), ended]);
      if (next === undefined || next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', end);
  }
}
