import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** The function of the tests, for AWS's runtime interface client. */
public class Handler implements RequestHandler<Map<String, Object>, Object> {
    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
        try {
            switch (String.valueOf(event.get("do"))) {
                case "fail":
                    throw new IllegalStateException("wrong");
                case "crash":
                    System.exit(3);
                case "sleep":
                    Thread.sleep(60000);
                case "hog":
                    List<byte[]> held = new ArrayList<>();
                    for (;;) held.add(new byte[1 << 20]);
                case "layer":
                    return Collections.singletonMap("got", new String(Files.readAllBytes(Paths.get("/opt/text.txt"))));
                default:
                    System.out.println("a line of " + context.getAwsRequestId());
                    return Collections.singletonMap("got", event.get("value"));
            }
        } catch (java.io.IOException | InterruptedException e) {
            throw new RuntimeException(e);
        }
    }
}
