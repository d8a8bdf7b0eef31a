package tfdistill.example

import android.app.Activity
import android.os.Bundle
import android.widget.Button
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.TextView
import java.util.Locale
import java.util.concurrent.Executors

/** A text, a button, and what the student says. */
class MainActivity : Activity() {
  private val worker = Executors.newSingleThreadExecutor() // the model's one thread
  private val loading = lazy { StudentModel(applicationContext) }
  private val model by loading

  override fun onCreate(state: Bundle?) {
    super.onCreate(state)
    val text = EditText(this).apply { hint = "A text, or one with [MASK]" }
    val answer = TextView(this).apply { textSize = 18f }
    val button = Button(this).apply { this.text = "Predict" }
    button.setOnClickListener {
      val asked = text.text.toString()
      button.isEnabled = false
      worker.execute {
        val found = runCatching { predict(asked) }.getOrElse { it.message ?: it.toString() }
        runOnUiThread {
          answer.text = found
          button.isEnabled = true
        }
      }
    }
    setContentView(
      LinearLayout(this).apply {
        orientation = LinearLayout.VERTICAL
        fitsSystemWindows = true
        setPadding(48, 48, 48, 48)
        for (view in listOf(text, button, answer)) addView(view)
      },
    )
  }

  private fun predict(text: String): String {
    val student = model
    val started = System.nanoTime()
    val found = student.predict(text)
    val milliseconds = (System.nanoTime() - started) / 1e6
    val lines = found.map { (name, share) -> String.format(Locale.ROOT, "%5.1f%%  %s", 100 * share, name) }
    return (lines + String.format(Locale.ROOT, "%.1f ms", milliseconds)).joinToString("\n")
  }

  override fun onDestroy() {
    worker.execute { if (loading.isInitialized()) model.close() }
    worker.shutdown()
    super.onDestroy()
  }
}
