/** The calls behind peer_progress.ts by way of `bun:ffi`; half a microsecond, more for TCP. */
import { fstatSync } from "node:fs";
import { openBunCalls } from "./bun_libc.ts";
import {
  AF_NETLINK,
  DIAGNOSIS_LENGTH,
  diagnosisOf,
  NETLINK_SEQUENCE,
  NETLINK_SOCK_DIAG,
  NETLINK_SOCKET_TYPE,
  type PeerProgress,
  readAccepted,
  readDiagnosis,
  readUnixAccepted,
  unixDiagnosisOf,
} from "./peer_progress.ts";

/** What Bun's sockets have, also where its types do not say so. */
export interface InspectedSocket {
  readonly fd: number;
  readonly localAddress?: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

export interface PeerInspector {
  /** Of a unix socket; with `mustBeOpen` also whether the peer has closed it meanwhile. */
  ofUnix(descriptor: number, mustBeOpen: boolean): PeerProgress;
  /** The question after a TCP socket's peer; undefined where nobody could answer it. */
  questionOf(socket: InspectedSocket): Uint8Array<ArrayBuffer> | undefined;
  ofTcp(question: Uint8Array<ArrayBuffer>): PeerProgress;
  /** Whether a process has accepted the other end; undefined where nobody knows. */
  isUnixAccepted(descriptor: number): boolean | undefined;
  isTcpAccepted(question: Uint8Array<ArrayBuffer>): boolean | undefined;
}

const SIOCOUTQ = 0x5411;
/** POLLIN and POLLRDHUP. */
const READABLE_OR_ENDED = 0x2001;

let opened: Promise<PeerInspector | undefined> | undefined;

/** Undefined where there are no such calls. */
export function openPeerInspector(): Promise<PeerInspector | undefined> {
  return opened ??= open();
}

async function open(): Promise<PeerInspector | undefined> {
  const symbols = await openBunCalls({
    ioctl: { args: ["int", "u64", "ptr"], returns: "int" },
    poll: { args: ["ptr", "u64", "int"], returns: "int" },
    socket: { args: ["int", "int", "int"], returns: "int" },
    send: { args: ["int", "ptr", "usize", "int"], returns: "int" },
    recv: { args: ["int", "ptr", "usize", "int"], returns: "int" },
  });
  if (symbols === undefined) return undefined;
  const { ptr } = await import("bun:ffi");
  const unread = new Int32Array(1);
  const unreadPointer = ptr(unread);
  const polled = new Int32Array(2);
  const polledPointer = ptr(polled);
  // A buffer that is made later moves the bytes away from the pointer (JavaScriptCore).
  const reply = new Uint8Array(new ArrayBuffer(DIAGNOSIS_LENGTH));
  const replyPointer = ptr(reply);
  const replyView = new DataView(reply.buffer);
  let sequence = 0;
  let diagnosing: number | undefined;
  /** How long the reply is; negative when there is none. */
  const ask = (question: Uint8Array<ArrayBuffer>): number => {
    diagnosing ??= symbols.socket(AF_NETLINK, NETLINK_SOCKET_TYPE, NETLINK_SOCK_DIAG);
    sequence = (sequence + 1) >>> 0;
    new DataView(question.buffer).setUint32(NETLINK_SEQUENCE, sequence, true);
    if (symbols.send(diagnosing, ptr(question), question.length, 0) < 0) return -1;
    for (;;) {
      const length = symbols.recv(diagnosing, replyPointer, reply.length, 0);
      if (length < 0 || replyView.getUint32(NETLINK_SEQUENCE, true) === sequence) return length;
    }
  };
  return {
    ofUnix(descriptor, mustBeOpen) {
      if (symbols.ioctl(descriptor, SIOCOUTQ, unreadPointer) !== 0) return "unknown";
      if (unread[0]! > 0) return "behind";
      if (!mustBeOpen) return "caught_up";
      polled[0] = descriptor;
      polled[1] = READABLE_OR_ENDED;
      return symbols.poll(polledPointer, 1, 0) === 0 ? "caught_up" : "closed";
    },
    questionOf: ({ localAddress = "", localPort, remoteAddress, remotePort }) =>
      diagnosisOf({
        localHost: localAddress,
        localPort,
        peerHost: remoteAddress,
        peerPort: remotePort,
      }),
    ofTcp: (question) => readDiagnosis(reply, ask(question)),
    isTcpAccepted: (question) => readAccepted(reply, ask(question)),
    isUnixAccepted: (descriptor) =>
      readUnixAccepted(reply, ask(unixDiagnosisOf(fstatSync(descriptor).ino))),
  };
}
