// What a handler gets as its second argument.

import { Fault } from "./errors.mjs";

const env = process.env;

export function makeContext(headers) {
  const deadline = parseInt(headers["lambda-runtime-deadline-ms"], 10);
  return {
    clientContext: parse(headers, "lambda-runtime-client-context"),
    identity: parse(headers, "lambda-runtime-cognito-identity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    xRayTraceId: headers["lambda-runtime-trace-id"],
    getRemainingTimeInMillis: () => deadline - Date.now(), // may be negative, as on AWS
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
  };
}

function parse(headers, name) {
  const text = headers[name];
  if (!text) return undefined;
  try {
    // Headers are Latin-1 on the wire; the JSON inside is UTF-8.
    return JSON.parse(Buffer.from(text, "latin1").toString());
  } catch (error) {
    throw new Fault("Runtime.PlatformError", `Failed to parse ${name} as JSON: ${error.message}`);
  }
}
