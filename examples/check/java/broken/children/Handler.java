package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.IOException;
import java.util.Map;

/** Starts the indexing of an uploaded document. */
public class Handler implements RequestHandler<Map<String, String>, Map<String, Object>> {
    public Map<String, Object> handleRequest(Map<String, String> event, Context context) {
        try {
            // Wrong: nobody waits for the child process; one more stays behind with each request.
            Process index = new ProcessBuilder("/bin/sleep", "120").start();
            return Map.of("document", event.get("document"), "indexing", index.isAlive());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
