import org.junit.jupiter.api.Test;
class SqsTest { @Test void x() { software.amazon.awssdk.services.sqs.SqsClient.builder(); } }
