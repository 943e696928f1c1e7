package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.text.ParseException;
import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.Map;
import java.util.TimeZone;

/** Says when a parcel arrives. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    // Wrong: a SimpleDateFormat keeps what it works on in itself; two threads mix their dates.
    private static final SimpleDateFormat FORMAT = new SimpleDateFormat("yyyy-MM-dd");

    static {
        FORMAT.setTimeZone(TimeZone.getTimeZone("UTC"));
    }

    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        int days = ((Number) event.get("days")).intValue();
        long sum = 0;
        try {
            Date day = null;
            for (int i = 0; i < 3000; i++) { // the calendar of a whole tour
                day = FORMAT.parse((String) event.get("sent"));
                sum += day.getTime() / 86_400_000;
            }
            Date arrives = new Date(day.getTime() + days * 86_400_000L);
            return Map.of("parcel", event.get("parcel"), "arrives", FORMAT.format(arrives), "check", sum);
        } catch (ParseException e) {
            throw new IllegalArgumentException(e);
        }
    }
}
