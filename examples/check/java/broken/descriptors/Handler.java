package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;

/** Looks words up in a file. */
public class Handler implements RequestHandler<Map<String, String>, Map<String, Object>> {
    private static final List<RandomAccessFile> OPEN = new CopyOnWriteArrayList<>();

    public Map<String, Object> handleRequest(Map<String, String> event, Context context) {
        try {
            // Wrong: opened for each request, kept for a later one that never comes, closed by nobody.
            RandomAccessFile words = new RandomAccessFile("/etc/passwd", "r");
            OPEN.add(words);
            return Map.of("word", event.get("word"), "known", words.length() > 0);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
