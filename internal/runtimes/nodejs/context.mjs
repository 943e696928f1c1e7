// What a handler gets as its second argument.

import { Fault } from "./errors.mjs";

// Read once: each look into process.env is slow.
const { env } = process;
const functionName = env.AWS_LAMBDA_FUNCTION_NAME;
const functionVersion = env.AWS_LAMBDA_FUNCTION_VERSION;
const memoryLimitInMB = env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE;
const logGroupName = env.AWS_LAMBDA_LOG_GROUP_NAME;
const logStreamName = env.AWS_LAMBDA_LOG_STREAM_NAME;

/** The context of the event that the Runtime API answered with. */
export function makeContext(event) {
  const deadline = Number(event.deadline);
  return {
    clientContext: parse(event.clientContext, "client-context"),
    identity: parse(event.cognitoIdentity, "cognito-identity"),
    invokedFunctionArn: event.functionArn,
    awsRequestId: event.requestId,
    tenantId: event.tenantId,
    xRayTraceId: event.traceId,
    getRemainingTimeInMillis: () => deadline - Date.now(), // may be negative, as on AWS
    functionName,
    functionVersion,
    memoryLimitInMB,
    logGroupName,
    logStreamName,
  };
}

function parse(text, name) {
  if (!text) return undefined;
  try {
    // Headers are Latin-1 on the wire; the JSON inside is UTF-8.
    return JSON.parse(Buffer.from(text, "latin1").toString());
  } catch (error) {
    throw new Fault("Runtime.PlatformError", `Failed to parse lambda-runtime-${name} as JSON: ${error.message}`);
  }
}
