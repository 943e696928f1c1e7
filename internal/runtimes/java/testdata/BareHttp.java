import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;

/** The least Runtime API loop that one would write with the JDK's HTTP client, in as many threads. */
public class BareHttp {
    static byte[] handler(byte[] event) {
        return event;
    }

    static void loop() {
        String root = "http://" + System.getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/";
        try {
            for (;;) {
                HttpURLConnection next = (HttpURLConnection) new URL(root + "next").openConnection();
                byte[] event;
                try (InputStream in = next.getInputStream()) {
                    event = in.readAllBytes();
                }
                byte[] answer = handler(event);
                HttpURLConnection post = (HttpURLConnection) new URL(root + next.getHeaderField("Lambda-Runtime-Aws-Request-Id") + "/response").openConnection();
                post.setDoOutput(true);
                post.setFixedLengthStreamingMode(answer.length);
                post.setRequestProperty("Content-Type", "application/json");
                try (OutputStream out = post.getOutputStream()) {
                    out.write(answer);
                }
                try (InputStream in = post.getInputStream()) {
                    in.readAllBytes();
                }
            }
        } catch (Exception e) {
            e.printStackTrace();
        }
    }

    public static void main(String[] args) {
        System.setProperty("http.maxConnections", "100");
        for (int i = 0; i < Integer.parseInt(System.getenv("AWS_LAMBDA_MAX_CONCURRENCY")); i++) {
            new Thread(BareHttp::loop).start();
        }
    }
}
