import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A Runtime API loop with nothing but a socket: the answer goes out with the next poll, and of HTTP it knows where heads and bodies
 * end. As low as it gets; it could not serve functions.
 */
public class BareSocket {
    static final String ROOT = "/2018-06-01/runtime/invocation/";
    static final byte[] NEXT = ascii("GET " + ROOT + "next HTTP/1.1\r\nHost: x\r\n\r\n");

    static byte[] ascii(String s) {
        return s.getBytes(StandardCharsets.ISO_8859_1);
    }

    static byte[] handler(byte[] event) {
        return event;
    }

    byte[] buffer = new byte[64 << 10];
    int length;
    InputStream in;

    /** The head of the next answer, whose body follows in the buffer: its place and size. */
    String head;
    int body;
    int size;

    void read() throws Exception {
        for (;;) {
            int end = end();
            if (end > 0) {
                head = new String(buffer, 0, end, StandardCharsets.ISO_8859_1);
                body = end;
                size = Integer.parseInt(value("Content-Length: "));
                if (length >= end + size) {
                    return;
                }
            }
            int n = in.read(buffer, length, buffer.length - length);
            if (n < 0) {
                throw new IllegalStateException("closed");
            }
            length += n;
        }
    }

    int end() {
        for (int i = 3; i < length; i++) {
            if (buffer[i] == '\n' && buffer[i - 1] == '\r' && buffer[i - 2] == '\n') {
                return i + 1;
            }
        }
        return 0;
    }

    String value(String name) {
        int from = head.indexOf(name) + name.length();
        return head.substring(from, head.indexOf('\r', from));
    }

    byte[] take() {
        byte[] b = Arrays.copyOfRange(buffer, body, body + size);
        length -= body + size;
        System.arraycopy(buffer, body + size, buffer, 0, length);
        return b;
    }

    void loop() {
        String[] address = System.getenv("AWS_LAMBDA_RUNTIME_API").split(":");
        try (Socket s = new Socket(address[0], Integer.parseInt(address[1]))) {
            s.setTcpNoDelay(true);
            in = s.getInputStream();
            OutputStream out = s.getOutputStream();
            out.write(NEXT);
            for (;;) {
                read();
                String id = value("Lambda-Runtime-Aws-Request-Id: ");
                byte[] answer = handler(take());
                byte[] start = ascii("POST " + ROOT + id + "/response HTTP/1.1\r\nHost: x\r\nContent-Length: " + answer.length + "\r\n\r\n");
                byte[] all = Arrays.copyOf(start, start.length + answer.length + NEXT.length);
                System.arraycopy(answer, 0, all, start.length, answer.length);
                System.arraycopy(NEXT, 0, all, start.length + answer.length, NEXT.length);
                out.write(all);
                read();
                take();
            }
        } catch (Exception e) {
            e.printStackTrace();
        }
    }

    public static void main(String[] args) {
        for (int i = 0; i < Integer.parseInt(System.getenv("AWS_LAMBDA_MAX_CONCURRENCY")); i++) {
            new Thread(new BareSocket()::loop).start();
        }
    }
}
