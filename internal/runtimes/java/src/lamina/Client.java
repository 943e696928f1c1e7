package lamina;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** One connection to the Runtime API, with no more of HTTP than that needs. */
final class Client implements AutoCloseable {
    static final byte[] EMPTY = new byte[0];

    private static final String ROOT = "/2018-06-01/runtime/";

    private final String address;
    private final byte[] next;
    private final byte[] postHead;
    private Socket socket;
    private InputStream in;
    private OutputStream out;
    private byte[] buffer = new byte[8 << 10];
    private int from;
    private int to;
    private JsonOut request = new JsonOut(4 << 10);

    // The last answer's.
    private int status;
    private int length;
    private boolean closing;

    Client(String address) {
        this.address = address;
        next = ascii("GET " + ROOT + "invocation/next HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: lamina-java\r\n\r\n");
        postHead = ascii(" HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: lamina-java\r\nContent-Type: application/json\r\nContent-Length: ");
    }

    private static byte[] ascii(String s) {
        return s.getBytes(StandardCharsets.ISO_8859_1);
    }

    private void connect() throws IOException {
        if (socket != null) {
            return;
        }
        int colon = address.lastIndexOf(':');
        String host = address.substring(0, colon).replace("[", "").replace("]", "");
        Socket s = new Socket();
        s.connect(new InetSocketAddress(host, Integer.parseInt(address.substring(colon + 1))));
        s.setTcpNoDelay(true);
        socket = s;
        in = s.getInputStream();
        out = s.getOutputStream();
        from = to = 0;
    }

    @Override
    public void close() throws IOException {
        if (socket != null) {
            socket.close();
            socket = null;
        }
    }

    boolean connected() {
        return socket != null;
    }

    /** Asks for an event. */
    void poll() throws IOException {
        connect();
        out.write(next);
    }

    /** Sends an invocation's answer, or its error of a type, together with the next poll. */
    void answer(Invocation inv, byte[] body, int n, String errorType, boolean poll) throws IOException {
        connect();
        startPost("invocation/", inv.requestId, errorType == null ? "/response" : "/error", n);
        header("Lambda-Runtime-Function-Error-Type: ", errorType);
        header("Lambda-Runtime-Invocation-Id: ", inv.invocationId);
        request.raw('\r').raw('\n').raw(body, 0, n);
        if (poll) {
            request.raw(next, 0, next.length);
        }
        out.write(request.buffer(), 0, request.length());
        if (request.length() > 64 << 10) {
            request = new JsonOut(4 << 10);
        }
    }

    void postInitError(byte[] body, String errorType) throws IOException {
        connect();
        startPost("init/error", "", "", body.length);
        header("Lambda-Runtime-Function-Error-Type: ", errorType);
        request.raw('\r').raw('\n').raw(body, 0, body.length);
        out.write(request.buffer(), 0, request.length());
        readHead(null);
        readBody();
    }

    private void startPost(String path, String id, String rest, int length) {
        request.reset();
        request.ascii("POST " + ROOT).ascii(path).ascii(id).ascii(rest).raw(postHead, 0, postHead.length).number(length).raw('\r').raw('\n');
    }

    private void header(String name, String value) {
        if (value != null) {
            request.ascii(name).ascii(value).raw('\r').raw('\n');
        }
    }

    /** What the Runtime API said to an answer: null if it took it. */
    String readAnswer() throws IOException {
        readHead(null);
        byte[] body = readBody();
        String refusal = status == 202 ? null : "answered " + status + ": " + new String(body, StandardCharsets.UTF_8).strip();
        if (closing) {
            close();
        }
        return refusal;
    }

    Invocation readEvent() throws IOException {
        Invocation inv = new Invocation();
        readHead(inv);
        inv.body = readBody();
        if (closing || status != 200) {
            close();
        }
        if (status != 200) {
            throw new IOException("a poll was answered " + status);
        }
        return inv;
    }

    private void readHead(Invocation inv) throws IOException {
        status = length = 0;
        closing = false;
        int end = lineEnd();
        status = number(from + 9, Math.min(from + 12, end)); // HTTP/1.1 200
        from = end + 2;
        for (;;) {
            end = lineEnd();
            if (end == from) {
                from += 2;
                return;
            }
            int colon = from;
            while (colon < end && buffer[colon] != ':') {
                colon++;
            }
            header(inv, from, colon, end);
            from = end + 2;
        }
    }

    /** Where the line from the current place ends; reads until it does. */
    private int lineEnd() throws IOException {
        for (int i = from;; i++) {
            if (i + 1 >= to) {
                i -= fill();
            }
            if (buffer[i] == '\r' && buffer[i + 1] == '\n') {
                return i;
            }
        }
    }

    /** Reads more, and says by how much the unread bytes moved to the front. */
    private int fill() throws IOException {
        int moved = 0;
        do {
            if (to == buffer.length) {
                if (from > 0) {
                    System.arraycopy(buffer, from, buffer, 0, to - from);
                    moved += from;
                    to -= from;
                    from = 0;
                } else {
                    buffer = Arrays.copyOf(buffer, 2 * buffer.length); // context headers may be long
                }
            }
            int n = in.read(buffer, to, buffer.length - to);
            if (n < 0) {
                close();
                throw new EOFException("the Runtime API closed the connection");
            }
            to += n;
        } while (to - from < 2);
        return moved;
    }

    private void header(Invocation inv, int start, int colon, int end) {
        int value = colon + 1;
        while (value < end && buffer[value] == ' ') {
            value++;
        }
        if (named("content-length", start, colon)) {
            length = number(value, end);
        } else if (named("connection", start, colon)) {
            closing = named("close", value, end);
        } else if (inv != null && colon - start > 15 && named("lambda-runtime-", start, start + 15)) {
            lambdaHeader(inv, start + 15, colon, value, end);
        }
    }

    private void lambdaHeader(Invocation inv, int start, int colon, int value, int end) {
        if (value == end) {
            return; // as good as absent
        }
        if (named("aws-request-id", start, colon)) {
            inv.requestId = text(value, end);
        } else if (named("deadline-ms", start, colon)) {
            inv.deadlineMs = Long.parseLong(text(value, end));
        } else if (named("invoked-function-arn", start, colon)) {
            inv.functionArn = text(value, end);
        } else if (named("trace-id", start, colon)) {
            inv.traceId = text(value, end);
        } else if (named("invocation-id", start, colon)) {
            inv.invocationId = text(value, end);
        } else if (named("aws-tenant-id", start, colon)) {
            inv.tenantId = text(value, end);
        } else if (named("client-context", start, colon)) {
            inv.clientContext = text(value, end);
        } else if (named("cognito-identity", start, colon)) {
            inv.cognitoIdentity = text(value, end);
        }
    }

    private boolean named(String lower, int start, int end) {
        if (end - start != lower.length()) {
            return false;
        }
        for (int i = 0; i < lower.length(); i++) {
            int c = buffer[start + i];
            if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != lower.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    private String text(int start, int end) {
        return new String(buffer, start, end - start, StandardCharsets.UTF_8);
    }

    private int number(int start, int end) {
        int n = 0;
        for (int i = start; i < end && buffer[i] >= '0' && buffer[i] <= '9'; i++) {
            n = 10 * n + buffer[i] - '0';
        }
        return n;
    }

    private byte[] readBody() throws IOException {
        if (length == 0) {
            return EMPTY;
        }
        byte[] body = new byte[length];
        int have = Math.min(length, to - from);
        System.arraycopy(buffer, from, body, 0, have);
        from += have;
        if (from == to) {
            from = to = 0;
        }
        if (have < length && in.readNBytes(body, have, length - have) < length - have) {
            close();
            throw new EOFException("the Runtime API closed the connection");
        }
        return body;
    }
}
