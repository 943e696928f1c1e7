package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;

/** Sleeps as long as it is told, and says who slept. */
public class Crowd implements RequestHandler<Crowd.Call, Crowd.Reply> {
    public record Call(int n, double sleep, String fail) {
    }

    public record Reply(int n, String request, String environment, long process, double started, double ended) {
    }

    @Override
    public Reply handleRequest(Call call, Context context) {
        if (call.fail() != null) {
            throw new IllegalArgumentException(call.fail());
        }
        double started = now();
        try {
            Thread.sleep((long) (call.sleep() * 1000));
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        System.out.println("call " + call.n());
        return new Reply(call.n(), context.getAwsRequestId(), context.getLogStreamName(), ProcessHandle.current().pid(), started, now());
    }

    private static double now() {
        return System.currentTimeMillis() / 1000.0;
    }
}
