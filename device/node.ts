#!/usr/bin/env node
import { once } from "node:events";
import { Command, Option } from "@commander-js/extra-typings";
import { contractsOf } from "@link-rewards/client/deployment-file";
import { toHex } from "@link-rewards/core/encoding/bytes";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { bindDigest, type Consent } from "@link-rewards/core/signed/bind";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { createKeyFile, openSigner } from "@link-rewards/host/keys";
import {
  address,
  addresses,
  deploymentOption,
  keyOptions,
  rpcOption,
  wholeNumber,
} from "@link-rewards/host/options";
import { askedToStop, runProgram } from "@link-rewards/host/program";
import { connectChain } from "./chain.ts";
import { logToStderr } from "./log.ts";
import { nextNonce } from "./node/consents.ts";
import { drawQr } from "./node/qr.ts";
import { startNode } from "./node/start.ts";
import { jsonOption, oracleOption, print } from "./options.ts";

const program = new Command("link-node")
  .description(
    "The reference device: serves content, keeps data and computes for customers, countersigns their receipts and hands them to the oracle.",
  )
  .addHelpText(
    "after",
    `
A device from nothing to its first receipt:
  node device/node.ts key --key-file device.key          its address goes to the manufacturer, who enrols it
  node device/node.ts bind --key-file device.key …       its owner pastes or scans what this prints in the claim page
  node device/node.ts serve --key-file device.key …      from the epoch after the binding on, what it signs earns

How receipts work: docs/receipt-protocol.md`,
  );

const WEEK_SECONDS = 604_800;

program.addCommand(keyCommand()).addCommand(bindCommand()).addCommand(serveCommand());
await runProgram(program);

function keyCommand() {
  return new Command("key")
    .description(
      "Makes the device's key and prints its address: the device's name from now on. Never writes over a key.",
    )
    .requiredOption("--key-file <file>", "new file, readable by you alone")
    .addOption(jsonOption())
    .action(async ({ keyFile, json }) => print(json, { device: await createKeyFile(keyFile) }));
}

function folderOption() {
  return new Option(
    "--folder <folder>",
    "the device's memory; never put back an older copy",
  ).default("device-state");
}

function bindCommand() {
  const key = keyOptions();
  return new Command("bind")
    .description(
      "Prints the device's signed consent to belong to an account: JSON for the claim page, and on a terminal its QR code. Anyone may also send it to DeviceRegistry.bind, where r and vs are the signature's halves. It counts from the next epoch on, and outranks every consent the device signed before.",
    )
    .addOption(deploymentOption())
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .requiredOption("--account <address>", "who earns what the device earns", address)
    .option(
      "--deadline <seconds>",
      "unix time after which the signature is void (default: in a week)",
      wholeNumber,
    )
    .addOption(folderOption())
    .option("--qr", "draw the QR code on stderr (default: when that is a terminal)")
    .option("--no-qr", "do not")
    .action(async ({ account, deployment, folder, qr, ...options }) => {
      const file = await readDeploymentFile(deployment);
      const { chainId } = file;
      const { deviceRegistry: registry } = contractsOf(file);
      const signer = await openSigner(options);
      const device = signer.address;
      const now = Math.floor(Date.now() / 1_000);
      const nonce = await nextNonce(folder, device, now);
      const { deadline = now + WEEK_SECONDS } = options;
      const bind = { device, account, nonce: BigInt(nonce), deadline: BigInt(deadline) };
      const signature = toHex(
        await signer.sign(bindDigest(domainSeparator(chainId, registry), bind)),
      );
      const consent = JSON.stringify({
        ...({ chainId, registry, device, account, nonce, deadline } satisfies Consent),
        signature,
      });
      if (qr ?? process.stderr.isTTY) process.stderr.write(drawQr(consent));
      process.stdout.write(`${consent}\n`);
    });
}

function serveCommand() {
  const key = keyOptions();
  return new Command("serve")
    .description(
      "Serves customers over HTTP until stopped. Put TLS in front of it on any network you do not own.",
    )
    .addOption(deploymentOption())
    .addOption(oracleOption())
    .addOption(rpcOption())
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .addOption(folderOption())
    .option("--host <host>", "address to listen on", "127.0.0.1")
    .option("--port <port>", "0 takes any free one", wholeNumber, 8420)
    .option("--member <address...>", "oracle members whose acknowledgements count", addresses)
    .option("--content-limit <bytes>", "how much it keeps for customers", wholeNumber)
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nWith --rpc it serves only customers that are admitted, with the key they use, up to that key's cap, and have something to pay with; without, it learns from the oracle's refusals.",
    )
    .action(async (options) => {
      const deployment = await readDeploymentFile(options.deployment);
      const chain = options.rpc && connectChain(options.rpc, deployment);
      const node = await startNode({
        key: await openSigner(options),
        chainId: deployment.chainId,
        registry: contractsOf(deployment).deviceRegistry,
        oracleUrl: options.oracle,
        folder: options.folder,
        host: options.host,
        port: options.port,
        log: logToStderr(options.json),
        ...(chain && { standingOf: chain.standingOf }),
        ...(options.member && { members: options.member }),
        ...(options.contentLimit && { contentLimitBytes: options.contentLimit }),
      });
      print(options.json, { url: node.url, device: node.device });
      await once(askedToStop(), "abort");
      await node.close();
      if (chain) chain.close();
    });
}
