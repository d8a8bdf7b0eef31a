import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
  id("com.android.application") version "8.9.1"
  id("org.jetbrains.kotlin.android") version "2.2.21"
}

android {
  namespace = "tfdistill.example"
  compileSdk = 36

  defaultConfig {
    applicationId = "tfdistill.example"
    minSdk = 24 // of LiteRT 2.3.0
    targetSdk = 36
    versionCode = 1
    versionName = "1.0"
  }
  compileOptions {
    sourceCompatibility = JavaVersion.VERSION_17
    targetCompatibility = JavaVersion.VERSION_17
  }
  androidResources { noCompress += "tflite" } // LiteRT maps the file into memory
}

kotlin {
  compilerOptions {
    jvmTarget.set(JvmTarget.JVM_17)
    freeCompilerArgs.add("-Xskip-metadata-version-check") // LiteRT is compiled by a later Kotlin
  }
}

dependencies {
  implementation("com.google.ai.edge.litert:litert:2.3.0")
}
