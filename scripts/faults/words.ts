import { type Fault, REQUEST_MANNERS, type Trigger } from "./draw.ts";
import { LINK_MANNERS } from "./link.ts";
import { MIRROR_MANNERS } from "./mirror.ts";
import { RPC_MANNERS } from "./rpc-manners.ts";

/** One fault, and when, for a person. Members are counted from one. */
export function wordsOf(fault: Fault): string {
  const { epoch, phase, until, when } = fault;
  const span = until === phase ? phase : `${phase} to ${until}`;
  return `epoch ${epoch}, ${span}${triggerOf(when)}: ${whatOf(fault)}`;
}

function triggerOf(when: Trigger): string {
  switch (when.on) {
    case "begin":
      return "";
    case "acknowledged":
      return `, when ${name(when.member)} acknowledged its receipt ${when.count}`;
    case "state":
      return `, when close of ${name(when.member)} reaches ${when.state}`;
    case "request":
      return `, at request ${when.count} of ${name(when.member)} to its node`;
    case "sending":
      return `, before the node of ${name(when.member)} has its transaction`;
    case "sent":
      return `, when the node of ${name(when.member)} has its transaction`;
  }
}

function whatOf(fault: Fault): string {
  switch (fault.kind) {
    case "kill": {
      const back = fault.program === "close" || fault.back === "calm" ? "" : " and started again";
      return `${fault.program} of ${name(fault.member)} is killed${back}`;
    }
    case "gone":
      return `${name(fault.member)} is gone for good`;
    case "disk":
      return `the disk of ${name(fault.member)} is full for its ${fault.program}`;
    case "rpc":
      return `the node of ${name(fault.member)} ${RPC_MANNERS[fault.manner]}`;
    case "clock":
      return `the clock of ${name(fault.member)} is ${Math.abs(fault.hours)} h ${fault.hours > 0 ? "fast" : "slow"}`;
    case "reorg":
      return `${fault.blocks} blocks around the proposal are undone, their transactions ${fault.resend ? "sent again" : "lost"}`;
    case "stuck":
      return `the base fee rises above what ${name(fault.member)} offers`;
    case "partition": {
      const other = fault.pair === undefined ? "the others" : name(fault.pair);
      return `the way between ${name(fault.member)} and ${other} ${LINK_MANNERS[fault.manner]}`;
    }
    case "requests":
      return REQUEST_MANNERS[fault.manner];
    case "mirror":
      return `the mirror ${MIRROR_MANNERS[fault.manner]}`;
    case "outsider":
      return `the outsider's node ${RPC_MANNERS[fault.manner]}`;
  }
}

export function name(member: number): string {
  return `member ${member + 1}`;
}
