package lamina;

/** One event and what the Runtime API says of it. */
final class Invocation {
    String requestId = "";
    String invocationId;
    String functionArn;
    String traceId;
    String tenantId;
    String clientContext;
    String cognitoIdentity;
    long deadlineMs;
    byte[] body = Client.EMPTY;

    /** Context's logger: bound to this invocation, whichever thread calls it. Core makes it. */
    Object logger;
}
