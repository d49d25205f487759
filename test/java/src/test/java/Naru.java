import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** A Naru that a test started: on free ports of loopback, with a data directory of its own, which close removes. */
class Naru implements AutoCloseable {
    private static final Path PROGRAM = Path.of("../../bin/naru").toAbsolutePath().normalize();

    private final Path dir;
    private Process process;
    private String listen = "127.0.0.1:0";
    private int ahead; // seconds, of its clock, also after a crash
    URI endpoint;

    Naru() throws IOException {
        dir = Files.createTempDirectory("naru-java-");
        start();
    }

    /** Starts Naru, on the port of its last start, and returns once it serves. */
    void start() throws IOException {
        var builder = new ProcessBuilder(List.of(PROGRAM.toString(), "serve", "--listen", listen, "--admin", "127.0.0.1:0",
                "--data", dir.resolve("data").toString(), "--allow-reset"));
        process = builder.redirectError(ProcessBuilder.Redirect.appendTo(dir.resolve("log").toFile())).start();
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
        var lines = new BufferedReader(new InputStreamReader(process.getInputStream()));
        for (String line; (line = lines.readLine()) != null;) {
            var words = line.strip().split("\\s+");
            if (words[0].equals("endpoint")) {
                endpoint = URI.create(words[1]);
            } else if (words[0].equals("account")) {
                listen = endpoint.getAuthority();
                return;
            }
        }
        throw new IOException("Naru did not start:\n" + log());
    }

    /** Moves Naru's clock forward. */
    void advance(int seconds) throws Exception {
        setAhead(seconds);
        ahead += seconds;
    }

    private void setAhead(int seconds) throws Exception {
        var body = BodyPublishers.ofString("{\"advance\": " + seconds + "}");
        var request = HttpRequest.newBuilder(endpoint.resolve("/_naru/clock")).POST(body).build();
        var reply = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
        if (reply.statusCode() != 200) {
            throw new IOException("the clock does not move: " + reply.body());
        }
    }

    /** Ends Naru as a crash would, and starts it again. */
    void crash() throws Exception {
        process.destroyForcibly().waitFor();
        start();
        setAhead(ahead);
    }

    private String log() throws IOException {
        return Files.readString(dir.resolve("log"));
    }

    /** Ends Naru in good order, and finds no fault in its log. */
    @Override
    public void close() throws Exception {
        process.destroy();
        if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0 || Pattern.compile("level=ERROR|panic:").matcher(log()).find()) {
            throw new AssertionError("Naru ended in bad order:\n" + log());
        }
        try (var files = Files.walk(dir)) {
            files.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
        }
    }
}
