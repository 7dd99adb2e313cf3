// Predicts drugs with an exported model: java -cp CLASSPATH Consumer MODEL.onnx < drugs.tsv
// Each line of drugs.tsv has an InChIKey (empty if unknown), a tab, and the places of the set bits, with spaces
// between them. docs/onnx.md describes the model, and docs/tutorial_onnx.md writes such a file with rdkit.
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

public final class Consumer {
    private static final String[] LABELS = {"down", "none", "up"};

    public static void main(String[] arguments) throws IOException, OrtException {
        OrtEnvironment environment = OrtEnvironment.getEnvironment();
        environment.setTelemetry(false);
        try (OrtSession session = environment.createSession(arguments[0])) {
            Map<String, String> card = session.getMetadata().getCustomMetadata();
            int bits = Integer.parseInt(found("\"bits\": *(\\d+)", card.get("fingerprint")).get(0));
            BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                String[] parts = line.split("\t", 2);
                float[][] fingerprint = new float[1][bits];
                for (String place : parts[1].trim().split(" ")) {
                    if (!place.isEmpty()) fingerprint[0][Integer.parseInt(place)] = 1;
                }
                predict(environment, session, card, fingerprint, parts[0]);
            }
        }
    }

    private static void predict(
            OrtEnvironment environment, OrtSession session, Map<String, String> card, float[][] bits, String key)
            throws OrtException {
        try (OnnxTensor fingerprint = OnnxTensor.createTensor(environment, bits);
                OnnxTensor inchikey = OnnxTensor.createTensor(environment, new String[] {key});
                OrtSession.Result result = session.run(Map.of("fingerprint", fingerprint, "inchikey", inchikey))) {
            float[][] probabilities = ((float[][][]) result.get("probabilities").get().getValue())[0];
            long nearest = ((long[]) result.get("nearest").get().getValue())[0];
            float similarity = ((float[]) result.get("similarity").get().getValue())[0];
            long lines = ((long[]) result.get("source_lines").get().getValue())[0];
            String seen = card.get("decision_offsets");
            String used = lines > 0 ? seen : card.getOrDefault("decision_offsets_unseen", seen);
            List<String> offsets = found("(-?[0-9][-+0-9.eE]*)", used);
            List<String> genes = texts(card.get("genes"));
            String like = texts(card.get("learned_drugs")).get((int) nearest);
            System.out.printf(Locale.ROOT, "%s\t%s\t%.6f\t%d%n", key, like, similarity, lines);
            for (int gene = 0; gene < genes.size(); gene++) {
                float[] p = probabilities[gene];
                int best = 0;
                for (int label = 1; label < 3; label++) {
                    if (score(p, offsets, label) > score(p, offsets, best)) best = label;
                }
                System.out.printf(
                        Locale.ROOT, "\t%s\t%s\t%.6f\t%.6f\t%.6f%n", genes.get(gene), LABELS[best], p[0], p[1], p[2]);
            }
        }
    }

    private static double score(float[] probabilities, List<String> offsets, int label) {
        return Math.log(probabilities[label]) + Double.parseDouble(offsets.get(label));
    }

    // Java has no JSON; gene symbols and drug ids with a backslash or a quote in them would need a library.
    private static List<String> texts(String json) {
        return found("\"([^\"]*)\"", json);
    }

    private static List<String> found(String pattern, String text) {
        List<String> groups = new ArrayList<>();
        Pattern.compile(pattern).matcher(text).results().map((MatchResult match) -> match.group(1)).forEach(groups::add);
        return groups;
    }
}
