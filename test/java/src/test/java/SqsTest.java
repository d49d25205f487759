import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.sqs.SqsAsyncClient;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.BatchResultErrorEntry;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.MessageAttributeValue;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;
import software.amazon.awssdk.services.sqs.model.PurgeQueueInProgressException;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueDoesNotExistException;
import software.amazon.awssdk.services.sqs.model.QueueNameExistsException;
import software.amazon.awssdk.services.sqs.model.ReceiptHandleIsInvalidException;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.SendMessageResponse;
import software.amazon.awssdk.services.sqs.model.SqsException;

/** SQS by the SDK for Java, which checks the digests of what it sends and receives itself. */
class SqsTest {
    private static final String ACCOUNT = "000000000000";
    private static Naru naru;
    private static SqsClient sqs;

    @BeforeAll
    static void start() throws Exception {
        naru = new Naru();
        sqs = configured(SqsClient.builder()).build();
    }

    @AfterAll
    static void stop() throws Exception {
        sqs.close();
        naru.close();
    }

    /** Configures a client that tries nothing twice. */
    private static <B extends AwsClientBuilder<B, C>, C> B configured(B builder) {
        return builder.endpointOverride(naru.endpoint).region(Region.US_EAST_1)
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("any", "any")))
                .overrideConfiguration(o -> o.retryStrategy(r -> r.maxAttempts(1)));
    }

    private static String queue(String name, Map<QueueAttributeName, String> attributes) {
        return sqs.createQueue(r -> r.queueName(name).attributes(attributes)).queueUrl();
    }

    private static SendMessageResponse send(String url, String body) {
        return sqs.sendMessage(r -> r.queueUrl(url).messageBody(body));
    }

    private static List<Message> receive(String url) {
        return sqs.receiveMessage(r -> r.queueUrl(url).maxNumberOfMessages(10).messageAttributeNames("All")
                .messageSystemAttributeNames(MessageSystemAttributeName.ALL)).messages();
    }

    private static Message one(String url) {
        var messages = receive(url);
        assertEquals(1, messages.size());
        return messages.get(0);
    }

    private static void remove(String url, Message message) {
        sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle(message.receiptHandle()));
    }

    private static Map<QueueAttributeName, String> attributes(String url) {
        return sqs.getQueueAttributes(r -> r.queueUrl(url).attributeNames(QueueAttributeName.ALL)).attributes();
    }

    private static String arn(String name) {
        return "arn:aws:sqs:us-east-1:" + ACCOUNT + ":" + name;
    }

    @Test
    void aMessageComesBackAsItWasSent() {
        var url = queue("whole", Map.of());
        var body = "나루 ⛴️ <&>\r\n\t\"'";
        var bytes = new byte[256];
        IntStream.range(0, 256).forEach(i -> bytes[i] = (byte) i);
        var given = Map.of(
                "text", MessageAttributeValue.builder().dataType("String").stringValue(body).build(),
                "number", MessageAttributeValue.builder().dataType("Number.float").stringValue("1.5e3").build(),
                "bytes", MessageAttributeValue.builder().dataType("Binary.png").binaryValue(SdkBytes.fromByteArray(bytes)).build());
        var sent = sqs.sendMessage(r -> r.queueUrl(url).messageBody(body).messageAttributes(given));
        var got = one(url);
        assertEquals(body, got.body());
        assertEquals(given, got.messageAttributes());
        assertEquals(sent.messageId(), got.messageId());
        assertEquals(sent.md5OfMessageAttributes(), got.md5OfMessageAttributes());
        assertEquals("1", got.attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT));
        remove(url, got);
        assertEquals("0", attributes(url).get(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE));
    }

    @Test
    void batchesSayWhatBecameOfEachEntry() {
        var url = queue("batches", Map.of(QueueAttributeName.MAXIMUM_MESSAGE_SIZE, "1024"));
        var sent = sqs.sendMessageBatch(r -> r.queueUrl(url).entries(
                SendMessageBatchRequestEntry.builder().id("good").messageBody("x").build(),
                SendMessageBatchRequestEntry.builder().id("large").messageBody("x".repeat(1025)).build(),
                SendMessageBatchRequestEntry.builder().id("late").messageBody("y").delaySeconds(5).build()));
        assertEquals(List.of("good", "late"), sent.successful().stream().map(e -> e.id()).toList());
        assertEquals(List.of("large"), sent.failed().stream().map(BatchResultErrorEntry::id).toList());
        assertEquals("InvalidParameterValue", sent.failed().get(0).code());
        var got = one(url);
        var hidden = sqs.changeMessageVisibilityBatch(r -> r.queueUrl(url).entries(
                e -> e.id("a").receiptHandle(got.receiptHandle()).visibilityTimeout(0),
                e -> e.id("b").receiptHandle("forged").visibilityTimeout(0)));
        assertEquals(List.of("b"), hidden.failed().stream().map(BatchResultErrorEntry::id).toList());
        var again = one(url);
        var removed = sqs.deleteMessageBatch(r -> r.queueUrl(url).entries(
                e -> e.id("a").receiptHandle(again.receiptHandle()), e -> e.id("b").receiptHandle("forged")));
        assertEquals(List.of("a"), removed.successful().stream().map(e -> e.id()).toList());
        assertEquals("ReceiptHandleIsInvalid", removed.failed().get(0).code());
    }

    @Test
    void aFifoQueueKeepsOrderAndTakesNothingTwice() {
        var url = queue("line.fifo", Map.of(QueueAttributeName.FIFO_QUEUE, "true", QueueAttributeName.CONTENT_BASED_DEDUPLICATION, "true"));
        var sent = new ArrayList<SendMessageResponse>();
        for (var body : List.of("a1", "a2", "b1", "a1")) {
            sent.add(sqs.sendMessage(r -> r.queueUrl(url).messageBody(body).messageGroupId(body.substring(0, 1))));
        }
        assertEquals(sent.get(0).messageId(), sent.get(3).messageId());
        assertTrue(sent.get(0).sequenceNumber().compareTo(sent.get(1).sequenceNumber()) < 0);
        var first = sqs.receiveMessage(r -> r.queueUrl(url).messageSystemAttributeNames(MessageSystemAttributeName.ALL)).messages().get(0);
        assertEquals("a1", first.body());
        assertEquals(sent.get(0).sequenceNumber(), first.attributes().get(MessageSystemAttributeName.SEQUENCE_NUMBER));
        assertEquals(List.of("b1"), receive(url).stream().map(Message::body).toList());
        remove(url, first);
        assertEquals(List.of("a2"), receive(url).stream().map(Message::body).toList());
    }

    @Test
    void timePasses() throws Exception {
        var policy = "{\"deadLetterTargetArn\":\"" + arn("dead") + "\",\"maxReceiveCount\":2}";
        var dead = queue("dead", Map.of());
        var url = queue("times", Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "40", QueueAttributeName.DELAY_SECONDS, "10", QueueAttributeName.REDRIVE_POLICY, policy));
        send(url, "x");
        assertTrue(receive(url).isEmpty());
        naru.advance(10);
        var first = one(url);
        naru.advance(39);
        assertTrue(receive(url).isEmpty());
        sqs.changeMessageVisibility(r -> r.queueUrl(url).receiptHandle(first.receiptHandle()).visibilityTimeout(0));
        one(url);
        naru.advance(40);
        assertTrue(receive(url).isEmpty());
        var got = sqs.receiveMessage(r -> r.queueUrl(dead).waitTimeSeconds(20).messageSystemAttributeNames(MessageSystemAttributeName.ALL)).messages();
        assertEquals(arn("times"), got.get(0).attributes().get(MessageSystemAttributeName.DEAD_LETTER_QUEUE_SOURCE_ARN));
        assertEquals(List.of(url), sqs.listDeadLetterSourceQueuesPaginator(r -> r.queueUrl(dead)).queueUrls().stream().toList());
    }

    @Test
    void queuesAreListedTaggedAndPurged() {
        var urls = IntStream.range(0, 5).mapToObj(n -> queue("manage-" + n, Map.of())).toList();
        assertEquals(urls, sqs.listQueuesPaginator(r -> r.queueNamePrefix("manage-").maxResults(2)).queueUrls().stream().toList());
        var url = urls.get(0);
        assertEquals(url, sqs.getQueueUrl(r -> r.queueName("manage-0")).queueUrl());
        sqs.tagQueue(r -> r.queueUrl(url).tags(Map.of("k", "v", "x", "")));
        sqs.untagQueue(r -> r.queueUrl(url).tagKeys("x"));
        assertEquals(Map.of("k", "v"), sqs.listQueueTags(r -> r.queueUrl(url)).tags());
        send(url, "x");
        sqs.purgeQueue(r -> r.queueUrl(url));
        assertEquals("0", attributes(url).get(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES));
        assertThrows(PurgeQueueInProgressException.class, () -> sqs.purgeQueue(r -> r.queueUrl(url)));
    }

    @Test
    void errorsAreTheSdksExceptions() {
        var nowhere = naru.endpoint + "/" + ACCOUNT + "/nowhere";
        var gone = assertThrows(QueueDoesNotExistException.class, () -> send(nowhere, "x"));
        assertEquals("AWS.SimpleQueueService.NonExistentQueue", gone.awsErrorDetails().errorCode());
        assertEquals(400, gone.statusCode());
        assertFalse(gone.requestId().isEmpty());
        var url = queue("errors", Map.of());
        assertThrows(QueueNameExistsException.class, () -> queue("errors", Map.of(QueueAttributeName.DELAY_SECONDS, "1")));
        assertThrows(ReceiptHandleIsInvalidException.class, () -> sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle("forged")));
        var refused = assertThrows(SqsException.class, () -> sqs.receiveMessage(r -> r.queueUrl(url).maxNumberOfMessages(11)));
        assertEquals("InvalidParameterValue", refused.awsErrorDetails().errorCode());
    }

    @Test
    void everythingIsThereAfterACrash() throws Exception {
        var url = queue("crash", Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "77"));
        Set<String> sent = new HashSet<>();
        for (int n = 0; n < 20; n++) {
            sent.add(send(url, "" + n).messageId());
        }
        var got = new ArrayList<>(receive(url));
        naru.crash();
        sqs.close(); // its connections are gone, and it tries nothing twice
        sqs = configured(SqsClient.builder()).build();
        assertEquals("77", attributes(url).get(QueueAttributeName.VISIBILITY_TIMEOUT));
        for (List<Message> more; !(more = receive(url)).isEmpty();) {
            got.addAll(more);
        }
        assertEquals(20, got.size());
        assertEquals(sent, new HashSet<>(got.stream().map(Message::messageId).toList()));
        got.forEach(message -> remove(url, message));
        naru.advance(77);
        assertTrue(receive(url).isEmpty());
    }

    /** The SDK's batch manager gathers sends and deletes, and receives ahead. */
    @Test
    void theBatchManagerBringsAndFetchesMessages() {
        var url = queue("managed", Map.of());
        try (var async = configured(SqsAsyncClient.builder()).build(); var manager = async.batchManager()) {
            Set<String> sent = new HashSet<>(), got = new HashSet<>();
            var sends = IntStream.range(0, 50).mapToObj(n -> manager.sendMessage(r -> r.queueUrl(url).messageBody("" + n))).toList();
            sends.forEach(reply -> sent.add(reply.join().messageId()));
            while (got.size() < sent.size()) {
                var messages = manager.receiveMessage(r -> r.queueUrl(url)).join().messages();
                messages.forEach(message -> assertTrue(got.add(message.messageId())));
                CompletableFuture.allOf(messages.stream().map(m -> manager.deleteMessage(r -> r.queueUrl(url).receiptHandle(m.receiptHandle())))
                        .toArray(CompletableFuture[]::new)).join();
            }
            assertEquals(sent, got);
            assertEquals("0", attributes(url).get(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE));
        }
    }
}
