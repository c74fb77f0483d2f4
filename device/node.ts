#!/usr/bin/env node
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { contractsOf } from "@link-rewards/client/deployment-file";
import { toHex } from "@link-rewards/core/encoding/bytes";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { bindDigest, type Consent } from "@link-rewards/core/signed/bind";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { createKeyFile, createP256KeyFile, type DeviceKey } from "@link-rewards/host/keys";
import {
  address,
  addresses,
  decimals,
  deploymentOption,
  keyOptions,
  moreUrls,
  rpcQuorumOption,
  rpcsOption,
  wholeNumber,
} from "@link-rewards/host/options";
import { askedToStop, EXIT, misuse, runProgram } from "@link-rewards/host/program";
import { connectChain } from "./chain.ts";
import { createPassword, openPassword } from "./home/password.ts";
import { logToStderr } from "./log.ts";
import { nextNonce } from "./node/consents.ts";
import { parseEndpoint } from "./node/dial.ts";
import { servePage } from "./node/page.ts";
import { type Allowance, DEFAULT_ALLOWANCE } from "./node/protect.ts";
import { drawQr } from "./node/qr.ts";
import type { Endpoint } from "./node/reach.ts";
import { shownKey, startNode } from "./node/start.ts";
import { askStatus, askToForgive } from "./node/status.ts";
import { linesOf } from "./node/status-lines.ts";
import { jsonOption, keyCommandOptions, openKey, oraclesOption, print } from "./options.ts";

const program = new Command("link-node")
  .description(
    "The reference device: serves content, keeps data and computes for customers, countersigns their receipts and hands them to an oracle.",
  )
  .addHelpText(
    "after",
    `
A device from nothing to its first receipt:
  node device/node.ts key --key-file device.key          its address goes to the manufacturer, who enrols it
                                                         (of a P-256 key, made with --p256 or by OpenSSL: its public key)
  node device/node.ts bind --key-file device.key …       its owner pastes or scans what this prints in the claim page
  node device/node.ts serve --key-file device.key …      from the epoch after the binding on, what it signs earns

How receipts work: docs/receipt-protocol.md`,
  );

const WEEK_SECONDS = 604_800;

program
  .addCommand(keyCommand())
  .addCommand(addressCommand())
  .addCommand(bindCommand())
  .addCommand(serveCommand())
  .addCommand(statusCommand())
  .addCommand(pageCommand())
  .addCommand(forgiveCommand())
  .addCommand(homePasswordCommand())
  .addCommand(homeCommand());
await runProgram(program);

function keyCommand() {
  return new Command("key")
    .description(
      "Makes the device's key and prints its address: the device's name from now on. Never writes over a key.",
    )
    .requiredOption("--key-file <file>", "new file, readable by you alone")
    .option("--p256", "a P-256 key, as a PEM file, in place of a secp256k1 one")
    .addOption(jsonOption())
    .action(async ({ keyFile, p256, json }) => {
      if (p256) return printDevice(json, await createP256KeyFile(keyFile));
      return print(json, { device: await createKeyFile(keyFile) });
    });
}

function addressCommand() {
  const key = { ...keyOptions(), ...keyCommandOptions() };
  return new Command("address")
    .description(
      "Prints the device's address and, of a P-256 key, the public key that it is enrolled by.",
    )
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .addOption(key.keyCommand)
    .addOption(key.keyArgument)
    .addOption(jsonOption())
    .action(async ({ json, ...where }) => printDevice(json, await openKey(where)));
}

/** As often as it is given. */
function gateways(text: string, before: readonly Endpoint[] = []): readonly Endpoint[] {
  const [, customer, url] = /^(0x[0-9a-fA-F]{40})=(https:.*)$/.exec(text) ?? [];
  if (customer === undefined || url === undefined)
    throw new InvalidArgumentError("must be 0x…=https://host:port");
  parseEndpoint(url);
  return [...before, { customer: address(customer), url }];
}

/** As often as it is given: for everybody, or for one customer. */
function allowances(text: string, before: Allowance = DEFAULT_ALLOWANCE): Allowance {
  const [, customer, amount = ""] = /^(?:(0x[0-9a-fA-F]{40})=)?(.*)$/.exec(text) ?? [];
  const allowed = decimals(amount);
  if (customer === undefined) return { ...before, most: allowed };
  return { ...before, of: new Map([...before.of, [address(customer), allowed]]) };
}

function printDevice(json: boolean, key: DeviceKey) {
  print(json, { device: key.address, ...shownKey(key) });
}

function folderOption() {
  return new Option(
    "--folder <folder>",
    "the device's memory; never put back an older copy",
  ).default("device-state");
}

function bindCommand() {
  const key = { ...keyOptions(), ...keyCommandOptions() };
  return new Command("bind")
    .description(
      "Prints the device's signed consent to belong to an account: JSON for the claim page, and on a terminal its QR code. Anyone may also send it to DeviceRegistry.bind, where r and vs are the signature's halves, and publicKey is 0x unless the consent has one. It counts from the next epoch on, and outranks every consent the device signed before.",
    )
    .addOption(deploymentOption())
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .addOption(key.keyCommand)
    .addOption(key.keyArgument)
    .requiredOption("--account <address>", "who earns what the device earns", address)
    .option(
      "--deadline <seconds>",
      "unix time after which the signature is void (default: in a week)",
      wholeNumber,
    )
    .addOption(folderOption())
    .option(
      "--qr",
      "draw the QR code on stderr, at most 85 columns wide (default: when that is a terminal)",
    )
    .option("--no-qr", "do not")
    .action(async ({ account, deployment, folder, qr, ...options }) => {
      const file = await readDeploymentFile(deployment);
      const { chainId } = file;
      const { deviceRegistry: registry } = contractsOf(file);
      const signer = await openKey(options);
      const device = signer.address;
      const now = Math.floor(Date.now() / 1_000);
      const nonce = await nextNonce(folder, device, now);
      const { deadline = now + WEEK_SECONDS } = options;
      const bind = { device, account, nonce: BigInt(nonce), deadline: BigInt(deadline) };
      const signature = toHex(
        await signer.sign(bindDigest(domainSeparator(chainId, registry), bind)),
      );
      const consent = JSON.stringify({
        ...({ chainId, registry, device, account, nonce, deadline } satisfies Partial<Consent>),
        ...shownKey(signer),
        signature,
      });
      if (qr ?? process.stderr.isTTY) process.stderr.write(drawQr(consent));
      process.stdout.write(`${consent}\n`);
    });
}

function statusCommand() {
  return new Command("status")
    .description(
      "Says how the device that runs with this folder does: what it earns, its gateways and how far they are, who does not take it or cannot pay and why, and what became of its receipts. Ends with 1 when it is connected to no gateway.",
    )
    .addOption(folderOption())
    .addOption(jsonOption())
    .action(async ({ folder, json }) => {
      const status = await askStatus(folder);
      process.stdout.write(`${json ? JSON.stringify(status) : linesOf(status).join("\n")}\n`);
      const isConnected = status.gateways.some(({ state }) => state === "connected");
      if (!isConnected) process.exitCode = EXIT.differs;
    });
}

function pageCommand() {
  return new Command("page")
    .description(
      "Shows the same as a page on this machine, until stopped: a process of its own, without the device's key.",
    )
    .addOption(folderOption())
    .option("--port <port>", "0 takes any free one", wholeNumber, 8422)
    .addOption(jsonOption())
    .action(async ({ folder, port, json }) => {
      const page = await servePage(folder, port);
      print(json, { url: page.url });
      await once(askedToStop(), "abort");
      await page.close();
    });
}

function forgiveCommand() {
  return new Command("forgive")
    .description(
      "Lets the device that runs with this folder forget what a customer did not pay of the epochs that are final, and serve it again.",
    )
    .argument("<customer>", "its address", address)
    .addOption(folderOption())
    .addOption(jsonOption())
    .action(async (customer, { folder, json }) =>
      print(json, await askToForgive(folder, customer)),
    );
}

function homePasswordCommand() {
  return new Command("home-password")
    .description(
      "Makes the password of the private share, prints it once, and writes a file that can tell it. Never writes over one.",
    )
    .requiredOption("--password-file <file>", "new file")
    .addOption(jsonOption())
    .action(async ({ passwordFile, json }) =>
      print(json, { password: await createPassword(passwordFile) }),
    );
}

function homeCommand() {
  return new Command("home")
    .description(
      "Shares a folder of the owner's by WebDAV, until stopped: a process of its own, without the device's key. Nothing of it is metered or signed for.",
    )
    .requiredOption("--home <folder>", "what is shared, with all that is in it")
    .requiredOption("--password-file <file>", "as home-password made it; any user name is taken")
    .requiredOption("--quota <bytes>", "what may be in it", wholeNumber)
    .option("--host <host>", "address that it listens at", "127.0.0.1")
    .option("--port <port>", "0 takes any free one", wholeNumber, 8423)
    .option("--tls-cert <file>", "certificate in PEM, with those that it rests on")
    .option("--tls-key <file>", "its key in PEM")
    .option(
      "--insecure",
      "without TLS also beyond this machine: everybody in the network can read the password and the files",
      false,
    )
    .addOption(jsonOption())
    .action(async ({ json, home, quota: quotaBytes, passwordFile, ...options }) => {
      const { host, port, tlsCert, tlsKey } = options;
      if ((tlsCert === undefined) !== (tlsKey === undefined))
        throw misuse("--tls-cert and --tls-key go together");
      if (tlsCert === undefined && !isLoopback(host) && !options.insecure)
        throw misuse(
          `at ${host} the password would go over the network for all to read: give --tls-cert and --tls-key, or --insecure`,
        );
      // What no device needs is loaded here alone.
      const { serveHome } = await import("./home/serve.ts");
      const tls = tlsCert &&
        tlsKey && { cert: await readFile(tlsCert, "utf8"), key: await readFile(tlsKey, "utf8") };
      const running = await serveHome({
        ...{ folder: home, quotaBytes, host, port, log: logToStderr(json) },
        isPassword: await openPassword(passwordFile),
        ...(tls && { tls }),
      });
      print(json, { url: `${tls ? "https" : "http"}://${host}:${running.port}/` });
      await once(askedToStop(), "abort");
      await running.close();
    });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function serveCommand() {
  const key = { ...keyOptions(), ...keyCommandOptions() };
  return new Command("serve")
    .description(
      "Dials the gateways of customers and serves them until stopped. It listens nowhere: no port of a router needs to be open.",
    )
    .addOption(deploymentOption())
    .addOption(oraclesOption())
    .addOption(rpcsOption())
    .addOption(rpcQuorumOption())
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .addOption(key.keyCommand)
    .addOption(key.keyArgument)
    .addOption(folderOption())
    .option(
      "--gateway <customer=url...>",
      "dial these, in place of what customers publish: 0x…=https://host:port",
      gateways,
    )
    .option("--customer <address...>", "serve these alone (default: all that can pay)", addresses)
    .option(
      "--exposure <LTK>",
      "what a customer may owe in all epochs that are not final, and of final ones what it did not pay; may be repeated, for one customer as 0x…=<LTK>; needs --rpc (default: 100)",
      allowances,
    )
    .option(
      "--allow-private-addresses",
      "also dial gateways in the network that the device stands in: what a customer publishes can then reach your own machines",
      false,
    )
    .option("--member <address...>", "oracle members whose acknowledgements count", addresses)
    .option(
      "--bundles <url>",
      "where the bundles are published, to look how customers paid, and whether members left out what they acknowledged; may be repeated (default: the oracles')",
      moreUrls,
    )
    .option("--content-limit <bytes>", "how much it keeps for customers", wholeNumber)
    .option(
      "--keep-free <bytes>",
      "what customers' content leaves free on the disk, as for what home may still take",
      wholeNumber,
    )
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nWith --rpc it serves only customers that are admitted, with the key they use, up to that key's cap, whose balance covers what they owe, who paid the last final epoch, and up to --exposure; without, nothing has a price for it, and it believes what most of its oracles say of keys, balances and payments. With --rpc it also says in its log when a final epoch lacks a receipt that a member acknowledged; link-oracle omission proves it, from the folder's acknowledgements.",
    )
    .action(async (options) => {
      if (options.exposure && !options.rpc)
        throw misuse("--exposure needs --rpc: without the chain nothing has a price");
      const deployment = await readDeploymentFile(options.deployment);
      const chain = options.rpc && connectChain(options.rpc, deployment, options.rpcQuorum);
      const bundles = options.bundles && { bundlesUrls: options.bundles };
      const node = await startNode({
        key: await openKey(options),
        chainId: deployment.chainId,
        registry: contractsOf(deployment).deviceRegistry,
        oracles: options.oracle,
        folder: options.folder,
        allowPrivateAddresses: options.allowPrivateAddresses,
        ...(options.customer && { customers: options.customer }),
        ...(options.gateway && { gateways: options.gateway }),
        log: logToStderr(options.json),
        ...(options.exposure && { allowance: options.exposure }),
        ...(chain && {
          standingOf: chain.standingOf,
          earnings: chain,
          payments: { chain, escrow: contractsOf(deployment).customerEscrow, ...bundles },
          omissions: { chain, ...bundles },
        }),
        ...(options.member && { members: options.member }),
        ...(options.contentLimit && { contentLimitBytes: options.contentLimit }),
        ...(options.keepFree && { keepFreeBytes: options.keepFree }),
      });
      print(options.json, { device: node.device, ...shownKey(node) });
      await once(askedToStop(), "abort");
      await node.close();
      if (chain) chain.close();
    });
}
