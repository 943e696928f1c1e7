package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.util.Map;

/** Looks words up in a file. */
public class Handler implements RequestHandler<Map<String, String>, Map<String, Object>> {
    public Map<String, Object> handleRequest(Map<String, String> event, Context context) {
        // Right: closed however the block ends.
        try (RandomAccessFile words = new RandomAccessFile("/etc/passwd", "r")) {
            return Map.of("word", event.get("word"), "known", words.length() > 0);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
