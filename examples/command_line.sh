# A classifier of digits that also reconstructs them, from a few labels: on the command line.

python digits.py
wye data show digits.npz
wye train digits.npz --out run \
    encoder="C'(32) > C(64) > L(32)" decoder=mirror classifier="L(64) > L'(classes)" \
    loss.beta=1 loss.label_smoothing=0 data.channels=1 data.augment="" data.validation=0 \
    train.epochs=20 train.batch_size=40 train.unlabelled=40 train.optimizer=adam train.lr=0.003
wye evaluate run --mistakes mistakes.csv
wye reconstruct run --out reconstructions.png
wye embed run digits.npz --out codes.npz
