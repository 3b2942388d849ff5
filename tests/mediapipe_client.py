"""Classifies image files as an app does, with MediaPipe Tasks.

Runs in an environment of its own: mediapipe_client.py MODEL IMAGE... prints
for each image its first category, its name and its score, as JSON; null where
no category has the score that the model asks for.
"""

import json
import sys

import mediapipe
from mediapipe.tasks.python import vision

with vision.ImageClassifier.create_from_model_path(sys.argv[1]) as classifier:
    results = []
    for path in sys.argv[2:]:
        image = mediapipe.Image.create_from_file(path)
        (head,) = classifier.classify(image).classifications
        first = None
        for category in head.categories[:1]:
            first = [category.index, category.category_name, category.score]
        results.append(first)
print(json.dumps(results))
