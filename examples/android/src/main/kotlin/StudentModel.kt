package tfdistill.example

import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.Model
import com.google.ai.edge.litert.TensorBuffer
import java.io.File
import kotlin.math.exp
import org.json.JSONObject

/**
 * A student from the folder `export` of a run, run by LiteRT on the CPU: a classifier, or a model of masked words.
 *
 * The app's assets hold a .tflite file, vocab.txt, tokenizer_config.json and, for a classifier, labels.txt. Use it
 * from one thread.
 */
class StudentModel(private val context: Context, private val file: String = "student_int8.tflite") : AutoCloseable {
  private val settings = JSONObject(asset("tokenizer_config.json"))
  private val tokenizer = WordPiece(
    asset("vocab.txt").removeSuffix("\n").split("\n"),
    lowerCase = settings.optBoolean("do_lower_case", true),
    stripAccents = if (settings.isNull("strip_accents")) null else settings.getBoolean("strip_accents"),
    splitIdeographs = settings.optBoolean("tokenize_chinese_chars", true),
  )
  private val labels: List<String> =
    if ("labels.txt" in context.assets.list("").orEmpty()) asset("labels.txt").removeSuffix("\n").split("\n")
    else emptyList()
  private val model = Model.load(context.assets, file)
  private val compiled = compile()
  private val longest = settings.getInt("model_max_length") // the run's --length
  private val signatures = findSignatures()
  private val buffers = mutableMapOf<Int, Pair<Map<String, TensorBuffer>, Map<String, TensorBuffer>>>()

  /** Classes and their probabilities, or words for the first [MASK] of a text; the best comes first. */
  fun predict(text: String, count: Int = 5): List<Pair<String, Float>> {
    val ids = tokenizer.encode(text, longest)
    val scores: FloatArray
    val names: List<String>
    if (labels.isNotEmpty()) {
      names = labels
      scores = run(ids, null).getValue("probabilities").readFloat()
    } else {
      val position = ids.indexOf(tokenizer.mask)
      require(position >= 0) { "Write [MASK] where a word is missing. The end of a long text is cut off." }
      names = tokenizer.tokens
      scores = softmax(run(ids, position).getValue("logits").readFloat())
    }
    return names.indices.sortedByDescending { scores[it] }.take(count).map { names[it] to scores[it] }
  }

  /** Runs the shortest signature that holds the ids; its outputs by name. */
  private fun run(ids: IntArray, maskedPosition: Int?): Map<String, TensorBuffer> {
    val length = signatures.keys.first { it >= ids.size }
    val signature = signatures.getValue(length)
    val (inputs, outputs) = buffers.getOrPut(length) {
      val names = listOf("input_ids", "attention_mask", "token_type_ids", "masked_positions")
      val outputs = if (labels.isEmpty()) listOf("logits") else listOf("logits", "probabilities")
      names.filter { has(it, signature) }.associateWith { compiled.createInputBuffer(it, signature) } to
        outputs.associateWith { compiled.createOutputBuffer(it, signature) }
    }
    inputs.getValue("input_ids").writeInt(IntArray(length) { ids.getOrElse(it) { tokenizer.padding } })
    inputs.getValue("attention_mask").writeInt(IntArray(length) { if (it < ids.size) 1 else 0 })
    inputs["token_type_ids"]?.writeInt(IntArray(length)) // a DistilBERT has none
    inputs["masked_positions"]?.writeInt(intArrayOf(maskedPosition ?: 0))
    compiled.run(inputs, outputs, signature)
    return outputs
  }

  /** Signatures by their lengths, ascending: `tokens_16` and so on, or `serving_default` of a file of one length. */
  private fun findSignatures(): Map<Int, String> {
    val known = (USUAL_LENGTHS + longest).filter { it <= longest }.toSortedSet()
    val several = known.associateWith { "tokens_$it" }.filterValues { has("input_ids", it) }
    return several.ifEmpty { mapOf(longest to "serving_default") }
  }

  private fun has(input: String, signature: String) = try {
    model.getInputTensorType(input, signature)
    true
  } catch (_: LiteRtException) {
    false
  }

  /** Prepares all signatures. They share their prepared weights by a file, which later starts read, too. */
  private fun compile(): CompiledModel {
    val installed = context.packageManager.getPackageInfo(context.packageName, 0).lastUpdateTime
    val cache = File(context.cacheDir, "$file-$installed.weights") // an update of the app needs another file
    context.cacheDir.listFiles().orEmpty().filter { it.extension == "weights" && it != cache }.forEach { it.delete() }
    val options = CompiledModel.Options(Accelerator.CPU)
    options.cpuOptions = CompiledModel.CpuOptions(xnnPackWeightCachePath = cache.path)
    return try {
      CompiledModel.create(model, options)
    } catch (_: LiteRtException) { // a damaged cache
      cache.delete()
      CompiledModel.create(model, options)
    }
  }

  private fun asset(name: String) = context.assets.open(name).bufferedReader().use { it.readText() }

  override fun close() {
    buffers.values.forEach { (inputs, outputs) -> (inputs.values + outputs.values).forEach(TensorBuffer::close) }
    compiled.close()
    model.close()
  }

  private companion object {
    val USUAL_LENGTHS = listOf(16, 32, 64, 128)

    fun softmax(logits: FloatArray): FloatArray {
      val largest = logits.max()
      val shares = FloatArray(logits.size) { exp(logits[it] - largest) }
      val sum = shares.sum()
      return FloatArray(logits.size) { shares[it] / sum }
    }
  }
}
