"""Values of tracks in real time: a stream of plays and events is counted and cooled, by Spark or Flink."""
