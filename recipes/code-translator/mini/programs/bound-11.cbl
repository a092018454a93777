       ID DIVISION.
       PROGRAM-ID. CANDLES.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       01 R PIC 9(3).
       PROCEDURE DIVISION.
           ACCEPT N.
           MOVE N TO R.
           IF R > 11 MOVE 11 TO R END-IF.
           DISPLAY R.
           GOBACK.
