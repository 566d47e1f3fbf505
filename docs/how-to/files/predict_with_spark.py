"""Detect objects in Parquet files of images with Spark, and write them as COCO results.

spark-submit predict_with_spark.py SHARDS MODEL RESULTS

SHARDS has columns bytes and path. Started again after an interruption, it takes the other images.
"""

import sys

from pyspark.sql import SparkSession

from singleshot.batch import Predictor, finished_images, write_coco_results


def main(shards: str, model: str, results: str) -> None:
    """Read, detect and write."""
    spark = SparkSession.builder.getOrCreate()
    # Images cross from Java to Python in batches of so many.
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 32)
    images = spark.read.parquet(shards).select("bytes", "path")
    if finished := [(name,) for name in finished_images(results)]:
        known = spark.createDataFrame(finished, "path string")
        images = images.join(known, "path", "left_anti")
    predictor = Predictor(model)
    rows = images.mapInPandas(predictor.map_pandas, schema=predictor.spark_schema())
    print(write_coco_results((row.asDict() for row in rows.toLocalIterator()), results))


if __name__ == "__main__":
    main(*sys.argv[1:])
